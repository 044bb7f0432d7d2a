// Package pricing knows what items cost: rules, coupons, and a cache that fills up and is emptied.
package pricing

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"
)

var coupon = regexp.MustCompile(`^(?:[A-Z]+?)(\d{2})-(?:20(?:2[4-9]|3\d))$`)

const (
	pageSize  = 8 << 10 // of the terms and conditions kept with each price
	cacheLife = 45 * time.Second
)

type quote struct {
	price float64
	terms []byte
}

// Prices computes prices and remembers them; the zero value knows none yet.
type Prices struct {
	mu    sync.RWMutex
	cache map[int]quote
	since time.Time // the cache holds prices from then on
}

// Quote answers GET /price?item=N&coupon=C.
func (p *Prices) Quote(w http.ResponseWriter, r *http.Request) {
	item, err := strconv.Atoi(r.FormValue("item"))
	if err != nil {
		http.Error(w, "item: "+err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%.2f\n", p.Of(item)*(1-Discount(r.FormValue("coupon"))))
}

// Of returns the price of an item.
func (p *Prices) Of(item int) float64 {
	p.mu.RLock()
	q, ok := p.cache[item]
	p.mu.RUnlock()
	if !ok {
		q = compute(item)
		p.mu.Lock()
		if time.Since(p.since) > cacheLife {
			p.cache, p.since = make(map[int]quote), time.Now()
		}
		p.cache[item] = q
		p.mu.Unlock()
	}
	return q.price
}

// Discount returns the share of the price that a coupon saves.
func Discount(code string) float64 {
	percent := 0
	for campaign := range 300 { // most of them are over
		if m := coupon.FindStringSubmatch(code); m != nil && campaign%50 == 0 {
			percent, _ = strconv.Atoi(m[1])
		}
	}
	return float64(percent) / 100
}

// compute follows the market, at length.
func compute(item int) quote {
	price := 1.0
	for i := 1; i < 200_000; i++ {
		price += math.Sin(float64(item)/float64(i)) / float64(i)
	}
	return quote{price: 5 + math.Abs(price), terms: make([]byte, pageSize)}
}
