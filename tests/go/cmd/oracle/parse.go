// The parser benchmark: CPU time, not wall time, so that other load on the machine matters little.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
)

type parseResult struct {
	Files      int     `json:"files"`
	Errors     int     `json:"errors"`
	Bytes      int     `json:"bytes"`
	Reps       int     `json:"reps"`
	CPUSeconds float64 `json:"cpu_seconds"` // of the fastest repetition, garbage collection included
}

// runParse reads all the files, then parses them from memory as often as asked, on one processor.
func runParse(args []string) int {
	set := flags()
	reps := set.Int("reps", 1, "")
	set.Parse(args)
	if set.NArg() == 0 || *reps < 1 {
		fatalUsage()
	}
	runtime.GOMAXPROCS(1)
	result := parseResult{Files: set.NArg(), Reps: *reps}
	var files [][]byte
	for _, file := range set.Args() {
		data, err := os.ReadFile(file)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 2
		}
		files = append(files, data)
		result.Bytes += len(data)
	}
	for rep := range *reps {
		runtime.GC() // not of what was left by the repetition before
		errors := 0
		start := cpuTime()
		for _, data := range files {
			if _, err := profile.ParseData(data); err != nil {
				errors++
			}
		}
		spent := (cpuTime() - start).Seconds()
		if rep == 0 || spent < result.CPUSeconds {
			result.CPUSeconds = spent
		}
		result.Errors = errors
	}
	json.NewEncoder(os.Stdout).Encode(result)
	return 0
}

// cpuTime returns the user and system time of this process so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
