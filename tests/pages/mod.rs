//! The pages in a real browser, on real profiles, and the committed build of the web app.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{process::Command, sync::Mutex, time::timeout};

use crate::support::{
    cli,
    go::Service,
    made,
    process::{Running, eventually},
    skip,
};

/// From the start to data that is worth a look: every page and step needs some windows.
const DATA_MAX: Duration = Duration::from_secs(40);
/// Installing, building or walking through the pages, on a machine that does much else.
const TOOL_MAX: Duration = Duration::from_secs(300);

/// The sources of the web app.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("exporter/web")
}

/// Runs a tool of Node in the web app's folder, which must succeed; `None` where it is missing.
async fn node(program: &str, args: &[&str], variables: &[(&str, &str)]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(args).envs(variables.iter().copied()).current_dir(sources());
    command.stdin(Stdio::null()).kill_on_drop(true);
    let Ok(done) = timeout(TOOL_MAX, command.output()).await.expect("ends in time") else {
        skip(program);
        return None;
    };
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(done.status.success(), "{program} {args:?}: {said}");
    Some(said)
}

/// Installs what the lock file names, once a run. `None` where there is no npm.
async fn install() -> Option<()> {
    static DONE: OnceLock<Mutex<bool>> = OnceLock::new();
    let mut done = DONE.get_or_init(Mutex::default).lock().await;
    if !*done {
        node("npm", &["ci", "--no-audit", "--no-fund"], &[]).await?;
        *done = true;
    }
    Some(())
}

/// The browser, by its variable or as Debian installs it.
fn chromium() -> Option<String> {
    let path = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    let there = Path::new(&path).is_file();
    if !there {
        skip(&path);
    }
    there.then_some(path)
}

/// Brings a service `wide` into the lake: a hundredth of its time is in a hundred functions, which
/// a picture of the whole has no room for.
fn import_wide(dir: &Path, running: &Running) {
    let leaves = (0..100).map(|leaf| (format!("main.main;main.many;main.leaf{leaf}"), 100_000));
    let stacks: Vec<(String, i64)> =
        leaves.chain([("main.main;main.wide".to_owned(), 1_000_000_000)]).collect();
    let stacks: Vec<(&str, i64)> = stacks.iter().map(|(stack, n)| (stack.as_str(), *n)).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(60);
    let file = dir.join("wide.pb.gz");
    made::pprof(&file, ("cpu", "nanoseconds"), (now.as_nanos() as i64, 10_000_000_000), &stacks);
    cli::import(&running.data_dir.join("lake"), "wide", &[file]).ok();
}

/// A page is walked through as a user does; the pictures stay in `pages` below the folder for
/// temporary files of the build, to be looked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_walks_through_the_pages() {
    let Some(chromium) = chromium() else { return };
    let Some(demo) = Service::start("demo", &["-listen", "127.0.0.1:0", "-stdin"]).await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "monitors:
  - name: demo
    endpoint: {}
    profile: {{seconds: 2}}
    heap: {{seconds: 5}}
    goroutine: {{seconds: 5}}
    mutex: {{seconds: 5}}
    block: {{seconds: 5}}
exporters:
  parquet: {{flush_interval: 2s}}
  ui: {{}}
",
        demo.url
    );
    let running = Running::start(dir.path(), &config).await;
    if install().await.is_none() {
        return;
    }
    eventually(DATA_MAX, "data to look at", async || {
        let windows = running.get("/api/v1/profiles?service=demo&type=cpu:cpu").await;
        let count = windows.json()["profiles"].as_array().map_or(0, Vec::len);
        (windows.status == 200 && count >= 5).then_some(())
    })
    .await;
    import_wide(dir.path(), &running);
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    let variables =
        [("BASE", running.url.as_str()), ("OUT", out.to_str().unwrap()), ("CHROMIUM", &chromium)];
    let Some(said) = node("node", &["tools/e2e.mjs"], &variables).await else { return };
    assert!(said.contains("e2e ok"), "{said}");
    for picture in ["explore-light.png", "explore-dark.png", "targets-light.png", "phone-dark.png"]
    {
        let bytes = fs::metadata(out.join(picture)).unwrap().len();
        assert!(bytes > 10_000, "{picture} has {bytes} bytes");
    }
    assert!(!running.log().contains("ERROR"), "{}", running.log());
}

/// A config that is broken while the pages are open is told of on all of them until a good one is
/// taken over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_tell_that_a_config_was_not_taken_over() {
    let Some(chromium) = chromium() else { return };
    if install().await.is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Nothing answers there: the pages tell of the process itself.
    let monitors = "monitors: [{name: none, endpoint: 'http://127.0.0.1:1', heap: {seconds: 5}}]\n";
    let config = format!("{monitors}exporters:\n  parquet: {{}}\n  ui: {{}}\n");
    let running = Running::start(dir.path(), &config).await;
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    let file = dir.path().join("config.yaml");
    let variables = [
        ("BASE", running.url.as_str()),
        ("CONFIG", file.to_str().unwrap()),
        ("OUT", out.to_str().unwrap()),
        ("CHROMIUM", &chromium),
    ];
    let Some(said) = node("node", &["tools/faults.mjs"], &variables).await else { return };
    assert!(said.contains("faults ok"), "{said}");
    for picture in ["fault-wide-light.png", "fault-wide-dark.png", "fault-phone-dark.png"] {
        let bytes = fs::metadata(out.join(picture)).unwrap().len();
        assert!(bytes > 10_000, "{picture} has {bytes} bytes");
    }
    let told = running.log().matches("config not reloaded").count();
    assert!(told >= 2, "{}", running.log());
}

/// All files below a folder, by path.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(below).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(
                    path.strip_prefix(folder).unwrap().to_owned(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

/// The committed build is what its sources give, byte for byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_committed_web_app_is_what_its_sources_give() {
    if install().await.is_none() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let build = ["vite", "build", "--outDir", folder, "--emptyOutDir"];
    let Some(said) = node("npx", &build, &[]).await else { return };
    let (built, committed) = (files(out.path()), files(&sources().join("dist")));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&built), names(&committed), "run `make ui` and commit\n{said}");
    for (path, bytes) in built {
        assert!(committed[&path] == bytes, "{} differs: run `make ui`", path.display());
    }
    assert!(committed.len() >= 4);
}
