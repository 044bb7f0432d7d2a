// Agent is a Go program that pushes its own profiles with pyroscope-go to the server that its argument
// names, if there is one, and serves them at the same time: with net/http/pprof, and as deltas with godeltaprof.
// It prints its address as the first line and exits when its standard input closes.
//
// /work?n=N does known work: N calls of main.newNode, one object each, N/10 of main.newLarge, some waiting
// for a lock, and CPU time in main.burn. /flush pushes what there is and waits until the server has it. /sent
// says how much CPU time of main.burn is in the profiles that the server took, in nanoseconds. All the while
// main.keep has 8 MiB in use, and seven goroutines wait in main.park.
package main

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/google/pprof/profile"
	"github.com/grafana/pyroscope-go"
	_ "github.com/grafana/pyroscope-go/godeltaprof/http/pprof"
)

type node struct {
	next [6]*node // 48 bytes
}

var (
	nodes  [100]*node
	blocks [100][]byte
	kept   [1024][]byte
	sink   uint64
	lock   sync.Mutex
)

//go:noinline
func keep() {
	for i := range kept {
		kept[i] = make([]byte, 8<<10)
	}
}

//go:noinline
func park() {
	select {}
}

//go:noinline
func newNode(i int) {
	nodes[i%len(nodes)] = new(node)
}

//go:noinline
func newLarge(i int) {
	blocks[i%len(blocks)] = make([]byte, 64<<10)
}

//go:noinline
func burn() {
	x := sink
	for i := range uint64(100_000) {
		x = x*6364136223846793005 + i
	}
	sink = x
}

//go:noinline
func holdLock() {
	lock.Lock()
	time.Sleep(2 * time.Millisecond)
	lock.Unlock()
}

// cpuTime is what the process used, in nanoseconds.
func cpuTime() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func work(n int) {
	before := cpuTime()
	for cpuTime()-before < int64(2*time.Second) {
		burn()
	}
	for i := range n {
		newNode(i)
	}
	for i := range n / 10 {
		newLarge(i)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				holdLock()
			}
		})
	}
	group.Wait()
	// What was allocated is in a heap profile after the second collection.
	for range 3 {
		runtime.GC()
	}
}

// recorder sends requests and remembers what was in those that the server took. The profiler of Go may miss
// signals on a busy machine, so that nobody else knows how much there should be.
type recorder struct {
	mu    sync.Mutex
	burnt int64
}

func (r *recorder) Do(request *http.Request) (*http.Response, error) {
	body, err := request.GetBody()
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err == nil && response.StatusCode == http.StatusOK {
		r.count(body, request.Header.Get("Content-Type"))
	}
	return response, err
}

func (r *recorder) count(body io.Reader, contentType string) {
	_, parameters, err := mime.ParseMediaType(contentType)
	if err != nil {
		panic(err)
	}
	part, err := multipart.NewReader(body, parameters["boundary"]).NextPart()
	if err != nil {
		panic(err)
	}
	p, err := profile.Parse(part)
	if err != nil {
		panic(err)
	}
	if p.SampleType[len(p.SampleType)-1].Type != "cpu" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, sample := range p.Sample {
		if sample.Location[0].Line[0].Function.Name == "main.burn" {
			r.burnt += sample.Value[1]
		}
	}
}

type logger struct{}

func (logger) Infof(string, ...any)  {}
func (logger) Debugf(string, ...any) {}
func (logger) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func push(server string, client *recorder) *pyroscope.Profiler {
	profiler, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: "pushed",
		ServerAddress:   server,
		UploadRate:      time.Second,
		Logger:          logger{},
		HTTPClient:      client,
		Tags:            map[string]string{"region": "<b>eu</b>", "hostname": "agent-1"},
		ProfileTypes: []pyroscope.ProfileType{
			pyroscope.ProfileCPU, pyroscope.ProfileGoroutines,
			pyroscope.ProfileAllocObjects, pyroscope.ProfileAllocSpace,
			pyroscope.ProfileInuseObjects, pyroscope.ProfileInuseSpace,
			pyroscope.ProfileMutexCount, pyroscope.ProfileMutexDuration,
			pyroscope.ProfileBlockCount, pyroscope.ProfileBlockDuration,
		},
	})
	if err != nil {
		panic(err)
	}
	return profiler
}

func main() {
	runtime.MemProfileRate = 1
	runtime.SetBlockProfileRate(1)
	runtime.SetMutexProfileFraction(1)
	keep()
	for range 7 {
		go park()
	}
	// What was allocated is in a heap profile after the second collection.
	runtime.GC()
	runtime.GC()
	if len(os.Args) > 1 {
		sent := &recorder{}
		profiler := push(os.Args[1], sent)
		http.HandleFunc("/sent", func(w http.ResponseWriter, _ *http.Request) {
			sent.mu.Lock()
			defer sent.mu.Unlock()
			fmt.Fprint(w, sent.burnt)
		})
		http.HandleFunc("/flush", func(http.ResponseWriter, *http.Request) { profiler.Flush(true) })
	}
	http.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		work(n)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go http.Serve(listener, nil)
	io.Copy(io.Discard, os.Stdin)
}
