// The load generator: customers who come and go in a wave of two minutes, over HTTP like real ones.
package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

const (
	requestRate = 380.0 // mean number of requests per second at load 1
	wave        = 2 * time.Minute
	tick        = 50 * time.Millisecond
	customers   = 24 // requests under way at once, at most
)

// tiers lists those of the customers, each as often as it occurs among ten.
var tiers = strings.Fields("free free free free free free plus plus plus enterprise")

// generate sends requests to the shop at base until ctx is done, which also ends those under way.
func generate(ctx context.Context, base string, load float64) {
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{MaxIdleConnsPerHost: customers},
	}
	work := make(chan struct{})
	for range customers {
		go func() {
			for range work {
				send(ctx, client, base)
			}
		}()
	}
	start, due := time.Now(), 0.0
	for ctx.Err() == nil {
		phase := 2 * math.Pi * time.Since(start).Seconds() / wave.Seconds()
		due += load * requestRate * (1 + 0.7*math.Sin(phase)) * tick.Seconds()
		for ; due >= 1; due-- {
			work <- struct{}{}
		}
		time.Sleep(tick)
	}
}

// send makes one request of the mix and reads the answer.
func send(ctx context.Context, client *http.Client, base string) {
	method, path, body := http.MethodGet, "", ""
	switch n := rand.IntN(100); {
	case n < 35:
		path = fmt.Sprintf("/search?q=item+%d+blue+wool", rand.IntN(50))
	case n < 60:
		path = fmt.Sprintf("/price?item=%d&coupon=SAVE%02d-2026", rand.IntN(3000), rand.IntN(60))
	case n < 75:
		method, path = http.MethodPost, "/orders"
		body = fmt.Sprintf(`{"customer":"c%d","items":[%d,%d,%d]}`, rand.IntN(500),
			rand.IntN(3000), rand.IntN(3000), rand.IntN(3000))
	case n < 97:
		path = fmt.Sprintf("/orders/%d", rand.IntN(5000))
	default:
		path = "/report"
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Tier", tiers[rand.IntN(len(tiers))])
	resp, err := client.Do(req)
	if err != nil {
		return // on the way out
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}
