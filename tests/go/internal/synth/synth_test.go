// Tests that the generated profiles are valid, varied, survive a round trip and come out the same twice.
package synth

import (
	"bytes"
	"math"
	"testing"

	"github.com/google/pprof/profile"

	"profpipe.test/oracle/internal/compare"
	"profpipe.test/oracle/internal/sums"
)

func encode(t *testing.T, p *profile.Profile) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := p.WriteUncompressed(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// again returns p as a parser sees it.
func again(t *testing.T, p *profile.Profile) *profile.Profile {
	t.Helper()
	q, err := profile.ParseData(encode(t, p))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestRandom(t *testing.T) {
	var empty, huge, compressed, recursive int
	const n = 300
	for i := range n {
		p, compress := Random(3, i)
		if err := p.CheckValid(); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		q := again(t, p)
		if d := compare.Diff(p, q, compare.Options{}); len(d) > 0 {
			t.Fatalf("%d: changed on the way: %s", i, d[0])
		}
		if d := compare.Diff(q, again(t, q), compare.Options{}); len(d) > 0 {
			t.Fatalf("%d: changed on the way again: %s", i, d[0])
		}
		for ty := range p.SampleType {
			room := int64(math.MaxInt64)
			for _, s := range p.Sample {
				if room -= max(s.Value[ty], -s.Value[ty]); room < 0 || s.Value[ty] == math.MinInt64 {
					t.Fatalf("%d: sums may overflow", i)
				}
			}
			if room == 0 {
				huge++
			}
		}
		if len(p.Sample) == 0 {
			empty++
		}
		if compress {
			compressed++
		}
		for _, s := range p.Sample {
			seen := make(map[string]bool)
			for _, name := range sums.Stack(s) {
				if seen[name] {
					recursive++
					break
				}
				seen[name] = true
			}
		}
	}
	if empty == 0 || huge == 0 || recursive == 0 || compressed == 0 || compressed == n {
		t.Errorf("not varied: %d empty, %d huge, %d recursive, %d compressed", empty, huge, recursive, compressed)
	}
}

func TestCPU(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		testCPU(t, fresh)
	}
}

func testCPU(t *testing.T, fresh bool) {
	make := func() (all []*profile.Profile) {
		names := []string{"http", "json", "regexp", "shop", "types"}
		err := CPU(10, 1, fresh, func(i int, service string, p *profile.Profile) error {
			if err := p.CheckValid(); err != nil || service != names[i%5] {
				t.Fatalf("%d (%s): %v", i, service, err)
			}
			all = append(all, again(t, p))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	first, second := make(), make()
	for i, p := range first {
		if !bytes.Equal(encode(t, p), encode(t, second[i])) {
			t.Errorf("%d: differs the second time", i)
		}
		if n := len(p.Sample); n < 350 || n > 520 {
			t.Errorf("%d: %d samples", i, n)
		}
		for _, s := range p.Sample {
			if s.Value[0] < 1 || s.Value[1] != s.Value[0]*p.Period {
				t.Fatalf("%d: value %v", i, s.Value)
			}
		}
	}
	if d := first[5].TimeNanos - first[0].TimeNanos; d != interval {
		t.Errorf("time between profiles: %d", d)
	}
}

func TestHeap(t *testing.T) {
	err := Heap(2, 1000, 1, func(i int, _ string, p *profile.Profile) error {
		if err := p.CheckValid(); err != nil {
			t.Fatal(err)
		}
		if n := len(p.Sample); n < 900 || n > 1100 {
			t.Errorf("%d samples", n)
		}
		for _, s := range p.Sample {
			size := s.NumLabel["bytes"][0]
			near := func(bytes, objects int64) bool { return bytes >= objects*size && bytes < (objects+1)*size }
			if v := s.Value; v[0] < 1 || !near(v[1], v[0]) || !near(v[3], v[2]) || v[2] > v[0] {
				t.Fatalf("value %v of size %d", v, size)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
