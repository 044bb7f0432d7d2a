// Tests that the comparison sees every change that a profile can suffer, and only changes.
package compare

import (
	"fmt"
	"testing"

	"github.com/google/pprof/profile"
)

func sample() *profile.Profile {
	m := &profile.Mapping{ID: 1, Start: 0x1000, Limit: 0x9000, Offset: 0x200, File: "/bin/app", BuildID: "b",
		HasFunctions: true}
	m2 := &profile.Mapping{ID: 2, Start: 0xa000, Limit: 0xb000, File: "[vdso]"}
	f := &profile.Function{ID: 1, Name: "f", SystemName: "_f", Filename: "f.c", StartLine: 3}
	g := &profile.Function{ID: 2, Name: "g"}
	unused := &profile.Function{ID: 3, Name: "unused"}
	a := &profile.Location{ID: 1, Mapping: m, Address: 0x1010,
		Line: []profile.Line{{Function: f, Line: 4, Column: 5}, {Function: g, Line: 6}}}
	b := &profile.Location{ID: 2, Address: 0xabc}
	return &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "n", Unit: "count"}, {Type: "s", Unit: "bytes"}},
		Sample: []*profile.Sample{
			{Location: []*profile.Location{a, b}, Value: []int64{5, 50}, Label: map[string][]string{"k": {"x", "y"}},
				NumLabel: map[string][]int64{"bytes": {16, 32}}, NumUnit: map[string][]string{"bytes": {"b", ""}}},
			{Location: []*profile.Location{b}, Value: []int64{1, 2}},
			{Location: []*profile.Location{b}, Value: []int64{1, 2}},
		},
		Mapping: []*profile.Mapping{m, m2}, Location: []*profile.Location{a, b},
		Function: []*profile.Function{f, g, unused},
		Comments: []string{"one", "two"}, DefaultSampleType: "s", DropFrames: "d", KeepFrames: "k", DocURL: "u",
		TimeNanos: 1, DurationNanos: 2, Period: 3, PeriodType: &profile.ValueType{Type: "n", Unit: "count"},
	}
}

func TestDiffSeesEveryChange(t *testing.T) {
	changes := map[string]func(p *profile.Profile){
		"type":             func(p *profile.Profile) { p.SampleType[0].Type = "m" },
		"unit":             func(p *profile.Profile) { p.SampleType[1].Unit = "m" },
		"order of types":   func(p *profile.Profile) { p.SampleType[0], p.SampleType[1] = p.SampleType[1], p.SampleType[0] },
		"default type":     func(p *profile.Profile) { p.DefaultSampleType = "" },
		"comment":          func(p *profile.Profile) { p.Comments[1] = "" },
		"no comment":       func(p *profile.Profile) { p.Comments = nil },
		"drop frames":      func(p *profile.Profile) { p.DropFrames = "" },
		"keep frames":      func(p *profile.Profile) { p.KeepFrames = "" },
		"doc URL":          func(p *profile.Profile) { p.DocURL = "" },
		"time":             func(p *profile.Profile) { p.TimeNanos++ },
		"duration":         func(p *profile.Profile) { p.DurationNanos++ },
		"period":           func(p *profile.Profile) { p.Period++ },
		"period type":      func(p *profile.Profile) { p.PeriodType.Type = "" },
		"no period type":   func(p *profile.Profile) { p.PeriodType = nil },
		"value":            func(p *profile.Profile) { p.Sample[0].Value[1]++ },
		"repeated sample":  func(p *profile.Profile) { p.Sample = p.Sample[:2] },
		"empty stack":      func(p *profile.Profile) { p.Sample[1].Location = nil },
		"order of frames":  func(p *profile.Profile) { l := p.Sample[0].Location; l[0], l[1] = l[1], l[0] },
		"label":            func(p *profile.Profile) { p.Sample[0].Label["k"][0] = "z" },
		"order of values":  func(p *profile.Profile) { p.Sample[0].Label["k"] = []string{"y", "x"} },
		"label key":        func(p *profile.Profile) { p.Sample[0].Label = map[string][]string{"l": {"x", "y"}} },
		"numeric label":    func(p *profile.Profile) { p.Sample[0].NumLabel["bytes"][0]++ },
		"numeric unit":     func(p *profile.Profile) { p.Sample[0].NumUnit["bytes"][0] = "" },
		"function name":    func(p *profile.Profile) { p.Function[0].Name = "h" },
		"system name":      func(p *profile.Profile) { p.Function[0].SystemName = "h" },
		"filename":         func(p *profile.Profile) { p.Function[0].Filename = "h" },
		"start line":       func(p *profile.Profile) { p.Function[0].StartLine++ },
		"line":             func(p *profile.Profile) { p.Location[0].Line[0].Line++ },
		"column":           func(p *profile.Profile) { p.Location[0].Line[0].Column++ },
		"order of inlined": func(p *profile.Profile) { l := p.Location[0].Line; l[0], l[1] = l[1], l[0] },
		"no lines":         func(p *profile.Profile) { p.Location[0].Line = nil },
		"address":          func(p *profile.Profile) { p.Location[1].Address++ },
		"folded":           func(p *profile.Profile) { p.Location[0].IsFolded = true },
		"no mapping":       func(p *profile.Profile) { p.Location[0].Mapping = nil },
		"other mapping":    func(p *profile.Profile) { p.Location[0].Mapping = p.Mapping[1] },
		"mapping start":    func(p *profile.Profile) { p.Mapping[0].Start++ },
		"mapping limit":    func(p *profile.Profile) { p.Mapping[0].Limit++ },
		"mapping offset":   func(p *profile.Profile) { p.Mapping[0].Offset++ },
		"mapping file":     func(p *profile.Profile) { p.Mapping[0].File = "" },
		"build id":         func(p *profile.Profile) { p.Mapping[0].BuildID = "" },
		"has functions":    func(p *profile.Profile) { p.Mapping[0].HasFunctions = false },
		"has filenames":    func(p *profile.Profile) { p.Mapping[0].HasFilenames = true },
		"has line numbers": func(p *profile.Profile) { p.Mapping[0].HasLineNumbers = true },
		"has inline":       func(p *profile.Profile) { p.Mapping[0].HasInlineFrames = true },
		"unused mapping":   func(p *profile.Profile) { p.Mapping = p.Mapping[:1] },
		"unused function":  func(p *profile.Profile) { p.Function = p.Function[:2] },
	}
	for name, change := range changes {
		p := sample()
		change(p)
		if len(Diff(sample(), p, Options{})) == 0 || len(Diff(p, sample(), Options{})) == 0 {
			t.Errorf("%s: change not seen", name)
		}
	}
	if d := Diff(sample(), sample(), Options{}); len(d) > 0 {
		t.Errorf("a profile differs from itself: %s", d)
	}
}

// TestDiffIgnores renumbers and reorders all tables and the samples.
func TestDiffIgnores(t *testing.T) {
	p := sample()
	for i := range p.Location {
		p.Location[i].ID = uint64(1000 - i)
	}
	for i := range p.Function {
		p.Function[i].ID = uint64(77 - i)
	}
	p.Mapping[0], p.Mapping[1] = p.Mapping[1], p.Mapping[0]
	p.Location[0], p.Location[1] = p.Location[1], p.Location[0]
	p.Function[0], p.Function[2] = p.Function[2], p.Function[0]
	p.Sample[0], p.Sample[2] = p.Sample[2], p.Sample[0]
	if d := Diff(sample(), p, Options{}); len(d) > 0 {
		t.Error(d)
	}
}

func TestOptions(t *testing.T) {
	p := sample()
	p.Mapping, p.Function = p.Mapping[:1], p.Function[:2]
	if d := Diff(sample(), p, Options{Reachable: true}); len(d) > 0 {
		t.Errorf("reachable: %s", d)
	}
	p = sample()
	p.Sample = p.Sample[:2]
	p.Sample[1].Value = []int64{2, 4}
	if d := Diff(sample(), p, Options{Fold: true}); len(d) > 0 {
		t.Errorf("fold: %s", d)
	}
	p.Sample[1].Value[1]++
	if d := Diff(sample(), p, Options{Fold: true}); len(d) != 2 {
		t.Errorf("fold: %s", d)
	}
}

func ExampleDiff() {
	a, b := sample(), sample()
	b.TimeNanos = 7
	b.Sample[0].Value[0]++
	for _, d := range Diff(a, b, Options{})[:2] {
		fmt.Println(d)
	}
	// Output:
	// time 1 != time 7
	// sample 1 != 0 times: [5 50] "k"=["x" "y"] "bytes"=( 16"b" 32"" )
	//     0x1010 folded=false in "/bin/app" 0x1000-0x9000+0x200 build="b" functions=true filenames=false lines=false inlined=false / "f" system="_f" "f.c":3 at 4:5 / "g" system="" "":0 at 6:0
	//     0xabc folded=false in no mapping
}
