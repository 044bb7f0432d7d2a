// Crowd is many targets to scrape in one process, for the benchmark: `crowd -n 1000 -cpu DIR -heap DIR`
// serves CPU profiles, heap profiles and goroutine profiles on as many ports. It prints their addresses,
// one a line, then an empty line, and exits when its standard input closes.
//
// A CPU profile takes the seconds that are asked for. The counters of heap profiles grow from one to the
// next, as those of a process do.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/google/pprof/profile"
)

// steps is the number of heap profiles in a row, enough for a run of minutes.
const steps = 8

// body is what a target answers for one profile, by the number of the request.
type body [][]byte

func main() {
	n := flag.Int("n", 1000, "targets")
	cpuDir := flag.String("cpu", "", "directory of CPU profiles")
	heapDir := flag.String("heap", "", "directory of heap profiles")
	flag.Parse()
	if err := run(*n, *cpuDir, *heapDir); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

func run(n int, cpuDir, heapDir string) error {
	cpus, err := read(cpuDir, plain)
	if err != nil {
		return err
	}
	heaps, err := read(heapDir, growing)
	if err != nil {
		return err
	}
	goroutines, err := read(heapDir, counting)
	if err != nil {
		return err
	}
	for i := range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/debug/pprof/profile", serve(cpus[i%len(cpus)]))
		mux.HandleFunc("/debug/pprof/heap", serve(heaps[i%len(heaps)]))
		mux.HandleFunc("/debug/pprof/goroutine", serve(goroutines[i%len(goroutines)]))
		go http.Serve(listener, mux)
		fmt.Println(listener.Addr())
	}
	fmt.Println()
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// serve answers after the seconds that are asked for; the last step stays.
func serve(answers body) http.HandlerFunc {
	var asked atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		seconds, _ := strconv.Atoi(r.URL.Query().Get("seconds"))
		time.Sleep(time.Duration(seconds) * time.Second)
		i := min(int(asked.Add(1))-1, len(answers)-1)
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(answers[i])
	}
}

// read gives the answers made of each profile of a directory.
func read(dir string, answers func(*profile.Profile) (body, error)) ([]body, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.pb.gz"))
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s: no profiles", dir)
	}
	var all []body
	for _, path := range paths {
		if err != nil {
			break
		}
		var p *profile.Profile
		if p, err = open(path); err == nil {
			var made body
			made, err = answers(p)
			all = append(all, made)
		}
	}
	return all, err
}

func open(path string) (*profile.Profile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return profile.Parse(file)
}

func write(p *profile.Profile) ([]byte, error) {
	// As those of a process: the time is that of the scrape, which is told by its absence.
	p.TimeNanos = 0
	var out bytes.Buffer
	err := p.Write(&out)
	return out.Bytes(), err
}

func plain(p *profile.Profile) (body, error) {
	out, err := write(p)
	return body{out}, err
}

// growing makes profiles of one process: of each value, the counters (alloc_*, the first two) are a
// tenth higher in each step.
func growing(p *profile.Profile) (body, error) {
	var answers body
	for step := range steps {
		next := p.Copy()
		for _, sample := range next.Sample {
			for column := range min(2, len(sample.Value)) {
				sample.Value[column] += sample.Value[column] / 10 * int64(step)
			}
		}
		out, err := write(next)
		if err != nil {
			return nil, err
		}
		answers = append(answers, out)
	}
	return answers, nil
}

// counting makes a goroutine profile of stacks of a heap profile.
func counting(p *profile.Profile) (body, error) {
	kind := &profile.ValueType{Type: "goroutine", Unit: "count"}
	p.SampleType, p.PeriodType, p.Period = []*profile.ValueType{kind}, kind, 1
	p.DefaultSampleType = ""
	for i, sample := range p.Sample {
		sample.Value = []int64{int64(i%7) + 1}
		sample.Label, sample.NumLabel, sample.NumUnit = nil, nil, nil
	}
	p.Sample = p.Sample[:min(60, len(p.Sample))]
	return plain(p.Compact())
}
