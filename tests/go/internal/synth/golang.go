// Profiles as Go's runtime makes them, of CPU and of the heap, of made-up programs.
package synth

import (
	"math"
	"math/rand/v2"

	"github.com/google/pprof/profile"
)

const (
	firstTime = 1_760_000_000_000_000_000 // of the first profile, in nanoseconds
	interval  = 10_000_000_000            // between profiles
	cpuPeriod = 10_000_000                // one sample each 10 ms

	// Real CPU profiles of Go services of this size have about 70 bytes of gzip a sample: 400 of them make
	// 25 to 30 KB, and 65 to 70 KB when inflated.
	cpuStacks  = 650 // in a program
	cpuSamples = 400 // of them in a profile, on average
)

// CPU calls emit with n CPU profiles in turn, number i of service i%5, each ten seconds after the one
// before. A service has always the same stacks; how often each is seen is drawn anew for every profile.
func CPU(n int, seed uint64, emit func(i int, service string, p *profile.Profile) error) error {
	type source struct {
		program *program
		stacks  [][]*profile.Location
		means   []float64
	}
	var sources []source
	for i, service := range Services {
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		g := newProgram(rng, service)
		s := source{program: g, stacks: g.stacks(cpuStacks, 22, 6), means: zipf(cpuStacks, cpuSamples)}
		rng.Shuffle(cpuStacks, func(i, j int) { s.means[i], s.means[j] = s.means[j], s.means[i] })
		sources = append(sources, s)
	}
	rng := rand.New(rand.NewPCG(seed, 99))
	for i := range n {
		s := sources[i%len(sources)]
		p := &profile.Profile{
			SampleType:    []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
			PeriodType:    &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
			Period:        cpuPeriod,
			TimeNanos:     firstTime + int64(i)*interval,
			DurationNanos: interval + int64(rng.IntN(90_000_000)),
		}
		for k, stack := range s.stacks {
			if count := poisson(rng, s.means[k]); count > 0 {
				p.Sample = append(p.Sample, &profile.Sample{Location: stack, Value: []int64{count, count * cpuPeriod}})
			}
		}
		rng.Shuffle(len(p.Sample), func(i, j int) { p.Sample[i], p.Sample[j] = p.Sample[j], p.Sample[i] })
		if err := emit(i, Services[i%len(Services)], s.program.build(p)); err != nil {
			return err
		}
	}
	return nil
}

// heapSite is what one stack allocates: blocks of one size.
type heapSite struct {
	stack        []*profile.Location
	size         int64
	alloc, inuse float64 // objects
}

// sizeClasses are some of those that Go's allocator rounds sizes up to.
var sizeClasses = []int64{16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 208, 256, 320, 384, 416, 512, 640, 768, 896,
	1024, 1280, 1536, 1792, 2048, 2688, 3072, 4096, 6144, 8192, 10240, 16384, 32768}

const dropped = 0.08 // share of the samples that a heap profile leaves out

// Heap calls emit with n heap profiles in turn of about the given number of samples, ten seconds apart.
// In each the objects of every stack are 0.7 to 1.3 times as many as its mean.
func Heap(n, samples int, seed uint64, emit func(i int, service string, p *profile.Profile) error) error {
	rng := rand.New(rand.NewPCG(seed, 7))
	g := newProgram(rng, Services[0])
	var sites []heapSite
	for _, stack := range g.stacks(int(float64(samples)/(1-dropped)), 19, 5) {
		s := heapSite{stack: stack, size: sizeClasses[rng.IntN(len(sizeClasses))]}
		// Go's runtime samples one in 512 KiB: a stack seen once stands for that much.
		s.alloc = float64(512<<10/s.size) * math.Exp(2*rng.Float64())
		if rng.IntN(3) == 0 {
			s.inuse = s.alloc * rng.Float64()
		}
		sites = append(sites, s)
	}
	for i := range n {
		p := &profile.Profile{
			SampleType: []*profile.ValueType{
				{Type: "alloc_objects", Unit: "count"}, {Type: "alloc_space", Unit: "bytes"},
				{Type: "inuse_objects", Unit: "count"}, {Type: "inuse_space", Unit: "bytes"},
			},
			DefaultSampleType: "inuse_space",
			PeriodType:        &profile.ValueType{Type: "space", Unit: "bytes"},
			Period:            512 << 10,
			TimeNanos:         firstTime + int64(i)*interval,
		}
		for _, s := range sites {
			jitter := 0.7 + 0.6*rng.Float64()
			if rng.Float64() < dropped {
				continue
			}
			alloc, inuse := int64(math.Ceil(s.alloc*jitter)), int64(math.Ceil(s.inuse*jitter))
			p.Sample = append(p.Sample, &profile.Sample{
				Location: s.stack,
				Value:    []int64{alloc, alloc * s.size, inuse, inuse * s.size},
				NumLabel: map[string][]int64{"bytes": {s.size}},
				NumUnit:  map[string][]string{"bytes": {"bytes"}},
			})
		}
		if err := emit(i, Services[0], g.build(p)); err != nil {
			return err
		}
	}
	return nil
}

// zipf returns n means, the k-th in proportion to k^-0.9, of Poisson distributions of which about nonzero
// give more than 0.
func zipf(n int, nonzero float64) []float64 {
	means := make([]float64, n)
	low, high := 0.0, 1e6
	for range 60 {
		scale := (low + high) / 2
		expected := 0.0
		for k := range means {
			means[k] = scale * math.Pow(float64(k+1), -0.9)
			expected += 1 - math.Exp(-means[k])
		}
		if expected < nonzero {
			low = scale
		} else {
			high = scale
		}
	}
	return means
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
