//! A selection as one profile: not answered yet.
use crate::*;
impl Lake {
    /// Not answered yet.
    pub fn merge(
        &self,
        _: &Selection,
        _: &pipeline::picture::Filter,
        _: &Allowance,
    ) -> Result<pipeline::profile::Profile, Error> {
        Err(Error::TooSlow)
    }
}
