// Package sums adds up the samples of a pprof profile per function, independently of profpipe: the
// reference that profpipe's own sums are tested against.
package sums

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"github.com/google/pprof/profile"
)

// Profile is what `oracle sums` prints about one profile.
type Profile struct {
	File      string           `json:"file"`
	Error     *string          `json:"error"`
	Legacy    bool             `json:"legacy,omitempty"` // not profile.proto but a format before it
	Types     map[string]*Type `json:"types,omitempty"`
	TypeOrder []string         `json:"type_order,omitempty"`
	// Labels holds, for each key and value of a string label, the totals in TypeOrder.
	Labels map[string]map[string][]int64 `json:"labels,omitempty"`
	// Numbers holds the same of numeric labels, each value with its unit behind a space.
	Numbers       map[string]map[string][]int64 `json:"numbers,omitempty"`
	Samples       int                           `json:"samples"`
	Mappings      int                           `json:"mappings"`
	Locations     int                           `json:"locations"`
	Functions     int                           `json:"functions"`
	TimeNanos     int64                         `json:"time_nanos"`
	DurationNanos int64                         `json:"duration_nanos"`
	Period        int64                         `json:"period"`
	PeriodType    [2]string                     `json:"period_type"` // type, unit
	DefaultType   string                        `json:"default_type"`
	Comments      []string                      `json:"comments"`
	DropFrames    string                        `json:"drop_frames"`
	KeepFrames    string                        `json:"keep_frames"`
	DocURL        string                        `json:"doc_url"`
}

// Type holds the sums of one sample type.
type Type struct {
	Unit      string              `json:"unit"`
	Total     int64               `json:"total"`
	Magnitude int64               `json:"magnitude"` // sum of the absolute values of all stacks of names
	Functions map[string]*FlatCum `json:"functions"`

	stacks map[string]int64
}

// FlatCum is a function's own value and its value with all that it calls.
type FlatCum [2]int64

// Failed describes a file that is no valid profile.
func Failed(file string, err error) *Profile {
	text := err.Error()
	return &Profile{File: file, Error: &text}
}

// Of adds up p. A function counts once in a stack that it occurs in several times. Of two sample types
// of the same name the second is called "name#2".
func Of(file string, p *profile.Profile) *Profile {
	out := &Profile{
		File:          file,
		Types:         make(map[string]*Type),
		Labels:        make(map[string]map[string][]int64),
		Numbers:       make(map[string]map[string][]int64),
		Samples:       len(p.Sample),
		Mappings:      len(p.Mapping),
		Locations:     len(p.Location),
		Functions:     len(p.Function),
		TimeNanos:     p.TimeNanos,
		DurationNanos: p.DurationNanos,
		Period:        p.Period,
		DefaultType:   p.DefaultSampleType,
		Comments:      append([]string{}, p.Comments...),
		DropFrames:    p.DropFrames,
		KeepFrames:    p.KeepFrames,
		DocURL:        p.DocURL,
	}
	if p.PeriodType != nil {
		out.PeriodType = [2]string{p.PeriodType.Type, p.PeriodType.Unit}
	}
	types := make([]*Type, len(p.SampleType))
	for i, t := range p.SampleType {
		name := t.Type
		for n := 2; out.Types[name] != nil; n++ {
			name = fmt.Sprintf("%s#%d", t.Type, n)
		}
		types[i] = &Type{Unit: t.Unit, Functions: make(map[string]*FlatCum), stacks: make(map[string]int64)}
		out.Types[name] = types[i]
		out.TypeOrder = append(out.TypeOrder, name)
	}
	for _, s := range p.Sample {
		names := Stack(s)
		stack := strings.Join(names, "\x00")
		for i, t := range types {
			t.add(names, s.Value[i])
			t.stacks[stack] += s.Value[i]
		}
		out.addLabels(s)
	}
	for _, t := range types {
		for _, value := range t.stacks {
			t.Magnitude += max(value, -value)
		}
	}
	return out
}

func (t *Type) add(names []string, value int64) {
	t.Total += value
	for i, name := range names {
		f := t.Functions[name]
		if f == nil {
			f = new(FlatCum)
			t.Functions[name] = f
		}
		if i == 0 {
			f[0] += value
		}
		if !contains(names[:i], name) {
			f[1] += value
		}
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func (p *Profile) addLabels(s *profile.Sample) {
	for key, values := range s.Label {
		for _, value := range values {
			addLabel(p.Labels, key, value, s.Value)
		}
	}
	for key, values := range s.NumLabel {
		for i, number := range values {
			unit := ""
			if units := s.NumUnit[key]; i < len(units) {
				unit = units[i]
			}
			addLabel(p.Numbers, key, fmt.Sprintf("%d %s", number, unit), s.Value)
		}
	}
}

func addLabel(to map[string]map[string][]int64, key, value string, sample []int64) {
	byValue := to[key]
	if byValue == nil {
		byValue = make(map[string][]int64)
		to[key] = byValue
	}
	totals := byValue[value]
	if totals == nil {
		totals = make([]int64, len(sample))
		byValue[value] = totals
	}
	for i, v := range sample {
		totals[i] += v
	}
}

// Stack returns the names of a sample's frames, leaf first, with inlined frames expanded. A location that
// has neither lines nor an address names no place and is left out.
func Stack(s *profile.Sample) []string {
	var names []string
	for _, loc := range s.Location {
		if len(loc.Line) == 0 && loc.Address != 0 {
			names = append(names, addressName(loc))
		}
		for _, line := range loc.Line {
			names = append(names, functionName(line.Function))
		}
	}
	return names
}

// functionName falls back as pprof does when it prints a function.
func functionName(f *profile.Function) string {
	for _, name := range []string{f.Name, f.SystemName} {
		if name != "" {
			return name
		}
	}
	return "<unknown>"
}

// addressName names a location that has no function: by its place in the file, which is the same in
// every process that maps it, or else by its address.
func addressName(loc *profile.Location) string {
	m := loc.Mapping
	if m == nil || m.File == "" {
		return fmt.Sprintf("0x%x", loc.Address)
	}
	base := m.File[strings.LastIndexByte(m.File, '/')+1:]
	return fmt.Sprintf("%s+0x%x", base, loc.Address-m.Start+m.Offset)
}

// IsLegacy tells whether data, which google/pprof accepts, is in a format older than profile.proto.
func IsLegacy(data []byte) bool {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		zr, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return false
		}
		if data, err = io.ReadAll(zr); err != nil {
			return false
		}
	}
	_, err := profile.ParseUncompressed(data)
	return err != nil
}
