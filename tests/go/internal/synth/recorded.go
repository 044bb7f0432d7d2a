package synth

import (
	"embed"
	"math"
	"math/rand/v2"
	"path"
	"strings"

	"github.com/google/pprof/profile"
)

// recordings are CPU profiles of Go programs, one and a half minutes each; see recordings/README.md.
//
//go:embed recordings/*.pb.gz
var recordings embed.FS

// Samples of a CPU profile, on average: it then has about 25 KB.
const cpuSamples = 435

// CPU calls emit with n CPU profiles, of the recorded programs in turn, those of a program ten seconds apart. Each program has one window of its recording, drawn at random; its profiles leave out 8 %
// of the stacks of that and redraw how often the others were seen. With fresh, every profile has a window
// of its own, drawn from the whole recording.
func CPU(n int, seed uint64, fresh bool, emit func(i int, service string, p *profile.Profile) error) error {
	sources, err := sources(seed)
	if err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, 99))
	for i := range n {
		s := sources[i%len(sources)]
		p := &profile.Profile{
			SampleType:    s.whole.SampleType,
			PeriodType:    s.whole.PeriodType,
			Period:        s.whole.Period,
			Mapping:       s.whole.Mapping,
			TimeNanos:     firstTime + int64(i/len(sources))*interval,
			DurationNanos: interval + int64(rng.IntN(90_000_000)),
			Sample:        s.window,
		}
		if fresh {
			p.Sample = s.draw(rng)
		} else {
			p.Sample = variant(rng, s.window, s.whole.Period)
		}
		rng.Shuffle(len(p.Sample), func(i, j int) { p.Sample[i], p.Sample[j] = p.Sample[j], p.Sample[i] })
		if err := emit(i, s.name, fill(p)); err != nil {
			return err
		}
	}
	return nil
}

// source is a recorded program.
type source struct {
	name   string
	whole  *profile.Profile
	means  []float64         // of its samples in a window
	window []*profile.Sample // one window of the whole
}

func sources(seed uint64) ([]source, error) {
	entries, err := recordings.ReadDir("recordings")
	if err != nil {
		return nil, err
	}
	var sources []source
	for i, entry := range entries {
		file, err := recordings.Open(path.Join("recordings", entry.Name()))
		if err != nil {
			return nil, err
		}
		whole, err := profile.Parse(file)
		if err != nil {
			return nil, err
		}
		name, _, _ := strings.Cut(entry.Name(), ".")
		s := source{name: name, whole: whole, means: means(whole, cpuSamples)}
		s.window = s.draw(rand.New(rand.NewPCG(seed, uint64(i))))
		sources = append(sources, s)
	}
	return sources, nil
}

// draw returns a window: of each stack as many samples as a Poisson distribution gives.
func (s *source) draw(rng *rand.Rand) []*profile.Sample {
	var drawn []*profile.Sample
	for k, sample := range s.whole.Sample {
		if count := poisson(rng, s.means[k]); count > 0 {
			drawn = append(drawn, counted(sample, count, s.whole.Period))
		}
	}
	return drawn
}

// variant returns a window like the given one.
func variant(rng *rand.Rand, window []*profile.Sample, period int64) []*profile.Sample {
	var varied []*profile.Sample
	for _, sample := range window {
		if rng.Float64() >= 0.08 {
			varied = append(varied, counted(sample, max(1, poisson(rng, float64(sample.Value[0]))), period))
		}
	}
	return varied
}

func counted(sample *profile.Sample, count, period int64) *profile.Sample {
	of := *sample
	of.Value = []int64{count, count * period}
	return &of
}

// means returns the means of Poisson distributions, in proportion to the first value of each sample, of
// which about nonzero give more than 0.
func means(p *profile.Profile, nonzero float64) []float64 {
	means := make([]float64, len(p.Sample))
	low, high := 0.0, 1e6
	for range 60 {
		scale := (low + high) / 2
		expected := 0.0
		for k, sample := range p.Sample {
			means[k] = scale * float64(sample.Value[0])
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
