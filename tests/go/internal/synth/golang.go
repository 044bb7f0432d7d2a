// Heap profiles as Go's runtime makes them, of a made-up program.
package synth

import (
	"math"
	"math/rand/v2"

	"github.com/google/pprof/profile"
)

const (
	firstTime = 1_760_000_000_000_000_000 // of the first profile, in nanoseconds
	interval  = 10_000_000_000            // between profiles
)

// heapSite is what one stack allocates: blocks of one size, of which the runtime samples some.
type heapSite struct {
	stack       []*profile.Location
	size        int64
	sampled     int64   // blocks sampled since the program started
	perInterval float64 // blocks sampled in an interval, on average
	live        float64 // of those sampled, blocks in use on average
	settled     bool    // whether what is in use stays the same
}

// sizeClasses are some of those that Go's allocator rounds sizes up to.
var sizeClasses = []int64{16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 208, 256, 320, 384, 416, 512, 640, 768, 896,
	1024, 1280, 1536, 1792, 2048, 2688, 3072, 4096, 6144, 8192, 10240, 16384, 32768}

const (
	heapRate   = 512 << 10 // bytes allocated from one sampled block to the next, on average
	heapBefore = 360       // intervals for which the program ran before the first profile
)

// Heap calls emit with n heap profiles in turn of about the given number of samples, ten seconds apart.
// Counters rise by what is sampled between two profiles, a number that follows a Poisson distribution:
// most stacks stay as they are. Of a third of the stacks some blocks are in use, for half of those for good.
func Heap(n, samples int, seed uint64, emit func(i int, service string, p *profile.Profile) error) error {
	rng := rand.New(rand.NewPCG(seed, 7))
	g := newProgram(rng)
	sites := heapSites(g, rng, samples)
	for i := range n {
		p := &profile.Profile{
			SampleType: []*profile.ValueType{
				{Type: "alloc_objects", Unit: "count"}, {Type: "alloc_space", Unit: "bytes"},
				{Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"},
			},
			DefaultSampleType: "inuse_space",
			PeriodType:        &profile.ValueType{Type: "space", Unit: "bytes"},
			Period:            heapRate,
			Mapping:           []*profile.Mapping{g.mapping},
			TimeNanos:         firstTime + int64(i)*interval,
		}
		for k := range sites {
			s := &sites[k]
			s.sampled += poisson(rng, s.perInterval)
			live := min(s.sampled, int64(math.Ceil(s.live)))
			if !s.settled {
				live = min(s.sampled, poisson(rng, s.live))
			}
			objects, bytes := s.unsampled(s.sampled)
			inuseObjects, inuseBytes := s.unsampled(live)
			p.Sample = append(p.Sample, &profile.Sample{
				Location: s.stack,
				Value:    []int64{objects, bytes, inuseObjects, inuseBytes},
				NumLabel: map[string][]int64{"bytes": {s.size}},
				NumUnit:  map[string][]string{"bytes": {"bytes"}},
			})
		}
		if err := emit(i, service, fill(p)); err != nil {
			return err
		}
	}
	return nil
}

// heapSites returns the sites of a program, the k-th allocating in proportion to k^-0.9.
func heapSites(g *program, rng *rand.Rand, n int) []heapSite {
	var sites []heapSite
	for k, stack := range g.stacks(n, 19, 5) {
		s := heapSite{stack: stack, size: sizeClasses[rng.IntN(len(sizeClasses))]}
		mean := 2000 * math.Pow(float64(k+1), -0.9)
		s.sampled, s.perInterval = 1+poisson(rng, mean), mean/heapBefore
		if rng.IntN(3) == 0 {
			s.live, s.settled = float64(s.sampled)*rng.Float64(), rng.IntN(2) == 0
		}
		sites = append(sites, s)
	}
	return sites
}

// unsampled returns how many objects and bytes k sampled blocks stand for, as runtime/pprof computes it.
func (s *heapSite) unsampled(k int64) (objects, bytes int64) {
	scale := 1 / (1 - math.Exp(-float64(s.size)/heapRate))
	return int64(float64(k) * scale), int64(float64(k*s.size) * scale)
}

// poisson draws from the Poisson distribution, from its normal approximation if the mean is large.
func poisson(rng *rand.Rand, mean float64) int64 {
	if mean > 50 {
		return max(0, int64(math.Round(mean+math.Sqrt(mean)*rng.NormFloat64())))
	}
	limit, product := math.Exp(-mean), rng.Float64()
	count := int64(0)
	for ; product > limit; count++ {
		product *= rng.Float64()
	}
	return count
}
