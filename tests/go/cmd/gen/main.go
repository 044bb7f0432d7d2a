// Gen makes pprof profiles for tests and benchmarks: files 0000.pb.gz, 0001.pb.gz and so on, the same
// bytes for the same flags, and index.tsv with file, service, time in nanoseconds and number of samples.
package main

import (
	"bufio"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/pprof/profile"

	"profpipe.test/oracle/internal/synth"
)

const usage = `usage:
  gen random [-n 500] [-seed 1] -out DIR     varied valid profiles, some of them not compressed
  gen cpu [-n 1000] [-seed 1] [-fresh] -out DIR
                                             Go CPU profiles of five programs, recorded and varied
  gen heap [-n 100] [-samples 13000] [-seed 1] -out DIR
                                             Go heap profiles of one service
`

func main() {
	if len(os.Args) < 2 {
		fatalUsage()
	}
	set := flag.NewFlagSet("gen", flag.ExitOnError)
	set.Usage = fatalUsage
	n := set.Int("n", map[string]int{"random": 500, "cpu": 1000, "heap": 100}[os.Args[1]], "")
	seed := set.Uint64("seed", 1, "")
	samples := set.Int("samples", 13_000, "")
	fresh := set.Bool("fresh", false, "")
	out := set.String("out", "", "")
	set.Parse(os.Args[2:])
	if *out == "" || set.NArg() > 0 || *n < 1 || *samples < 1 {
		fatalUsage()
	}
	if err := run(os.Args[1], *n, *samples, *seed, *fresh, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func fatalUsage() {
	fmt.Fprint(os.Stderr, usage)
	os.Exit(2)
}

func run(kind string, n, samples int, seed uint64, fresh bool, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, "index.tsv"))
	if err != nil {
		return err
	}
	defer file.Close()
	index := bufio.NewWriter(file)
	emit := func(compress bool) func(i int, service string, p *profile.Profile) error {
		return func(i int, service string, p *profile.Profile) error {
			name := fmt.Sprintf("%04d.pb.gz", i)
			fmt.Fprintf(index, "%s\t%s\t%d\t%d\n", name, service, p.TimeNanos, len(p.Sample))
			return write(filepath.Join(dir, name), p, compress)
		}
	}
	switch kind {
	case "random":
		for i := 0; i < n && err == nil; i++ {
			p, compress := synth.Random(seed, i)
			err = emit(compress)(i, "random", p)
		}
	case "cpu":
		err = synth.CPU(n, seed, fresh, emit(true))
	case "heap":
		err = synth.Heap(n, samples, seed, emit(true))
	default:
		fatalUsage()
	}
	if err != nil {
		return err
	}
	return index.Flush()
}

// write stores p; compressed it is at the level that Go's runtime uses.
func write(path string, p *profile.Profile, compress bool) error {
	if err := p.CheckValid(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(f)
	var w io.Writer = buffered
	zw, err := gzip.NewWriterLevel(buffered, gzip.BestSpeed)
	if err == nil && compress {
		w = zw
	}
	if err == nil {
		err = p.WriteUncompressed(w)
	}
	if err == nil && compress {
		err = zw.Close()
	}
	if err == nil {
		err = buffered.Flush()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
