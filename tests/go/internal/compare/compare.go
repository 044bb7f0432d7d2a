// Package compare tells whether two pprof profiles say the same, whatever numbers their tables use as
// ids and in whatever order they list their entries.
package compare

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
)

// Options relax the comparison; the zero value compares everything.
type Options struct {
	Reachable bool // ignore table entries that no sample refers to
	Fold      bool // add up samples of equal stack and labels before they are compared
}

// Diff describes what differs between a and b, nothing if they are equal. Compared are the header
// fields, the sample types in order, the samples as a multiset, and the distinct entries of each table.
func Diff(a, b *profile.Profile, opt Options) []string {
	names := interner{index: make(map[string]int)}
	va, vb := names.view(a, opt), names.view(b, opt)
	var diffs []string
	for i := range va.header {
		if va.header[i] != vb.header[i] {
			diffs = append(diffs, fmt.Sprintf("%s != %s", va.header[i], vb.header[i]))
		}
	}
	for i := range va.tables {
		diffs = append(diffs, diffCounts(tableNames[i], va.tables[i], vb.tables[i])...)
	}
	for _, d := range diffCounts("sample", va.samples, vb.samples) {
		diffs = append(diffs, names.expand(d))
	}
	return diffs
}

var tableNames = [...]string{"mapping", "function", "location"}

// view is a profile in a form in which equal profiles are equal.
type view struct {
	header  []string
	tables  [3]map[string]int
	samples map[string]int
}

// interner numbers the texts of locations, so that a stack is a short list of numbers, the same in both
// profiles.
type interner struct {
	index map[string]int
	texts []string
}

func (in *interner) number(text string) int {
	n, ok := in.index[text]
	if !ok {
		n = len(in.texts)
		in.index[text] = n
		in.texts = append(in.texts, text)
	}
	return n
}

// expand puts the locations back into the text of a sample.
func (in *interner) expand(sample string) string {
	fields := strings.Split(sample, "\x00")
	for i := 1; i < len(fields); i += 2 {
		n, _ := strconv.Atoi(fields[i])
		fields[i] = "\n    " + in.texts[n]
	}
	return strings.Join(fields, "")
}

func (in *interner) view(p *profile.Profile, opt Options) *view {
	period := profile.ValueType{}
	if p.PeriodType != nil {
		period = profile.ValueType{Type: p.PeriodType.Type, Unit: p.PeriodType.Unit}
	}
	var types []string
	for _, t := range p.SampleType {
		types = append(types, fmt.Sprintf("%q/%q", t.Type, t.Unit))
	}
	v := &view{header: []string{
		"sample types " + strings.Join(types, " "),
		fmt.Sprintf("default type %q", p.DefaultSampleType),
		fmt.Sprintf("comments %q", p.Comments),
		fmt.Sprintf("drop frames %q", p.DropFrames),
		fmt.Sprintf("keep frames %q", p.KeepFrames),
		fmt.Sprintf("doc URL %q", p.DocURL),
		fmt.Sprintf("time %d", p.TimeNanos),
		fmt.Sprintf("duration %d", p.DurationNanos),
		fmt.Sprintf("period %d", p.Period),
		fmt.Sprintf("period type %q/%q", period.Type, period.Unit),
	}}
	for i := range v.tables {
		v.tables[i] = make(map[string]int)
	}
	numbers := make(map[*profile.Location]int, len(p.Location))
	for _, l := range p.Location {
		text := location(l)
		numbers[l] = in.number(text)
		v.tables[2][text] = 1
	}
	for _, m := range p.Mapping {
		v.tables[0][mapping(m)] = 1
	}
	for _, f := range p.Function {
		v.tables[1][function(f)] = 1
	}
	if opt.Reachable {
		v.tables = [3]map[string]int{}
	}
	v.samples = samples(p, numbers, opt.Fold)
	return v
}

// samples returns how often each sample occurs, or what samples of each stack and labels add up to.
func samples(p *profile.Profile, numbers map[*profile.Location]int, fold bool) map[string]int {
	counts := make(map[string]int, len(p.Sample))
	if !fold {
		for _, s := range p.Sample {
			counts[fmt.Sprintf("%d%s", s.Value, stackAndLabels(s, numbers))]++
		}
		return counts
	}
	sums := make(map[string][]int64, len(p.Sample))
	for _, s := range p.Sample {
		key := stackAndLabels(s, numbers)
		if sums[key] == nil {
			sums[key] = make([]int64, len(s.Value))
		}
		for i, v := range s.Value {
			sums[key][i] += v
		}
	}
	for key, values := range sums {
		counts[fmt.Sprintf("%d%s", values, key)] = 1
	}
	return counts
}

func stackAndLabels(s *profile.Sample, numbers map[*profile.Location]int) string {
	var b strings.Builder
	for _, k := range sortedKeys(s.Label) {
		fmt.Fprintf(&b, " %q=%q", k, s.Label[k])
	}
	for _, k := range sortedKeys(s.NumLabel) {
		fmt.Fprintf(&b, " %q=(", k)
		for i, n := range s.NumLabel[k] {
			unit := ""
			if units := s.NumUnit[k]; i < len(units) {
				unit = units[i]
			}
			fmt.Fprintf(&b, " %d%q", n, unit)
		}
		b.WriteString(" )")
	}
	for _, l := range s.Location {
		b.WriteByte(0)
		b.WriteString(strconv.Itoa(numbers[l]))
		b.WriteByte(0)
	}
	return b.String()
}

func location(l *profile.Location) string {
	var b strings.Builder
	fmt.Fprintf(&b, "0x%x folded=%t in %s", l.Address, l.IsFolded, mapping(l.Mapping))
	for _, line := range l.Line {
		fmt.Fprintf(&b, " / %s at %d:%d", function(line.Function), line.Line, line.Column)
	}
	return b.String()
}

func mapping(m *profile.Mapping) string {
	if m == nil {
		return "no mapping"
	}
	return fmt.Sprintf("%q 0x%x-0x%x+0x%x build=%q functions=%t filenames=%t lines=%t inlined=%t", m.File, m.Start,
		m.Limit, m.Offset, m.BuildID, m.HasFunctions, m.HasFilenames, m.HasLineNumbers, m.HasInlineFrames)
}

func function(f *profile.Function) string {
	if f == nil {
		return "no function"
	}
	return fmt.Sprintf("%q system=%q %q:%d", f.Name, f.SystemName, f.Filename, f.StartLine)
}

// diffCounts lists the keys that a and b do not hold equally often, in the order of their text.
func diffCounts(what string, a, b map[string]int) []string {
	differing := make(map[string]bool)
	for k, n := range a {
		differing[k] = n != b[k]
	}
	for k, n := range b {
		differing[k] = n != a[k]
	}
	var diffs []string
	for _, k := range sortedKeys(differing) {
		if differing[k] {
			diffs = append(diffs, fmt.Sprintf("%s %d != %d times: %s", what, a[k], b[k], k))
		}
	}
	return diffs
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
