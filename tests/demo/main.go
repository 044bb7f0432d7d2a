// Demo is a small web shop under a load of its own making, to have something worth profiling: it takes CPU
// time in several packages, allocates, contends for a lock, blocks on channels, and labels its CPU samples
// with endpoint and customer tier. Its profiles are at /debug/pprof/.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof" // on http.DefaultServeMux
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"demo/internal/orders"
	"demo/internal/pricing"
	"demo/internal/queue"
	"demo/internal/search"
	"demo/internal/store"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:6060", "address to serve on")
	load := flag.Float64("load", 1, "load that the shop puts on itself; 0 for none")
	stdin := flag.Bool("stdin", false, "exit when standard input closes")
	flag.Parse()

	runtime.SetBlockProfileRate(10_000) // on average an event per 10 µs blocked
	runtime.SetMutexProfileFraction(5)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *stdin {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	base := "http://" + listener.Addr().String()
	fmt.Println("listening on", base)
	server := &http.Server{Handler: shop()}
	go server.Serve(listener)

	generate(ctx, base, *load)
	grace, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	server.Shutdown(grace) // waits no longer for a profile that is being taken
}

// shop puts the parts together and returns the handler of all endpoints.
func shop() http.Handler {
	prices := new(pricing.Prices)
	o := &orders.Orders{Store: store.New(2_000), Prices: prices, Receipts: queue.New(3, 64)}
	s := search.New(5_000)

	mux := http.NewServeMux()
	handle := func(pattern string, h http.HandlerFunc) { mux.Handle(pattern, labelled(pattern, h)) }
	handle("POST /orders", o.Create)
	handle("GET /orders/{id}", o.Get)
	handle("GET /report", o.Report)
	handle("GET /price", prices.Quote)
	handle("GET /search", s.Query)
	mux.Handle("/debug/pprof/", http.DefaultServeMux)
	return mux
}

// labelled marks the CPU samples of a handler, and of the goroutines that it starts, with the endpoint and
// the tier of the customer who asks.
func labelled(pattern string, h http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		labels := pprof.Labels("endpoint", pattern, "tier", r.Header.Get("Tier"))
		pprof.Do(r.Context(), labels, func(ctx context.Context) { h(w, r.WithContext(ctx)) })
	})
}
