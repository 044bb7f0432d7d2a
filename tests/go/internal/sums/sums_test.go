// Tests of the sums on a profile small enough to add up by hand.
package sums

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/google/pprof/profile"
)

func small() *profile.Profile {
	m := &profile.Mapping{ID: 1, Start: 0x1000, Limit: 0x9000, Offset: 0x200, File: "/usr/lib/libx.so"}
	f := &profile.Function{ID: 1, Name: "f"}
	g := &profile.Function{ID: 2, Name: "g;h"}
	inlined := &profile.Location{ID: 1, Mapping: m, Line: []profile.Line{{Function: f}, {Function: g}}}
	outer := &profile.Location{ID: 2, Mapping: m, Line: []profile.Line{{Function: g}}}
	mapped := &profile.Location{ID: 3, Mapping: m, Address: 0x1010}
	bare := &profile.Location{ID: 4, Address: 0xabc}
	nowhere := &profile.Location{ID: 5, Mapping: m}
	return &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "n", Unit: "count"}, {Type: "n", Unit: "bytes"}},
		Sample: []*profile.Sample{
			{Location: []*profile.Location{inlined, outer}, Value: []int64{5, 50},
				Label: map[string][]string{"k": {"a"}}, NumLabel: map[string][]int64{"k": {7}, "size": {16, 32}},
				NumUnit: map[string][]string{"size": {"bytes", ""}}},
			{Location: []*profile.Location{mapped, outer}, Value: []int64{-2, 0}},
			{Location: []*profile.Location{nowhere, bare}, Value: []int64{1, 1}, Label: map[string][]string{"k": {"a", "b"}},
				NumLabel: map[string][]int64{"size": {16, 32}}},
			{Value: []int64{7, 7}},
			{Location: []*profile.Location{bare}, Value: []int64{-4, 0}},
		},
		Mapping:  []*profile.Mapping{m},
		Location: []*profile.Location{inlined, outer, mapped, bare, nowhere},
		Function: []*profile.Function{f, g},
	}
}

func TestOf(t *testing.T) {
	p := small()
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	got := Of("x", p)
	want := map[string]FlatCum{
		"f":             {5, 5},
		"g;h":           {0, 3}, // once per stack
		"libx.so+0x210": {-2, -2},
		"0xabc":         {-3, -3},
	}
	n := got.Types["n"]
	for name, w := range want {
		if n.Functions[name] == nil || *n.Functions[name] != w {
			t.Errorf("%s: got %v, want %v", name, n.Functions[name], w)
		}
	}
	if n.Total != 7 || n.Magnitude != 5+2+3+7 || len(n.Functions) != len(want) || got.Types["n#2"].Total != 58 {
		t.Errorf("totals: %+v", got.Types)
	}
	labels := map[string]map[string][]int64{"k": {"a": {6, 51}, "b": {1, 1}}}
	if !reflect.DeepEqual(got.Labels, labels) {
		t.Errorf("labels: %v", got.Labels)
	}
	numbers := map[string]map[string][]int64{
		"k":    {"7 ": {5, 50}},
		"size": {"16 bytes": {5, 50}, "16 ": {1, 1}, "32 ": {6, 51}},
	}
	if !reflect.DeepEqual(got.Numbers, numbers) {
		t.Errorf("numeric labels: %v", got.Numbers)
	}
}

func TestIsLegacy(t *testing.T) {
	var proto bytes.Buffer
	if err := small().Write(&proto); err != nil {
		t.Fatal(err)
	}
	if IsLegacy(proto.Bytes()) {
		t.Error("profile.proto taken for a legacy format")
	}
	text := []byte("goroutine profile: total 1\n1 @ 0x1 0x2\n")
	if _, err := profile.ParseData(text); err != nil || !IsLegacy(text) {
		t.Errorf("legacy text not told apart (%v)", err)
	}
}
