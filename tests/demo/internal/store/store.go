// Package store keeps the orders in memory, behind one lock.
package store

import (
	"sort"
	"sync"
	"time"
)

// Order is what a customer has bought.
type Order struct {
	ID       int       `json:"id"`
	Customer string    `json:"customer"`
	Items    []int     `json:"items"`
	Total    float64   `json:"total"`
	Created  time.Time `json:"created"`
	Note     string    `json:"note"`
}

// Store holds the latest orders. The one lock around it, which Best keeps for long, is what the mutex
// profile shows.
type Store struct {
	mu     sync.Mutex
	orders map[int]*Order
	next   int
	keep   int
}

// New returns a store that keeps at least the given number of the newest orders.
func New(keep int) *Store {
	return &Store{orders: make(map[int]*Order), keep: keep}
}

// Put stores o under a new number.
func (s *Store) Put(o *Order) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o.ID = s.next
	s.next++
	s.orders[o.ID] = o
	if len(s.orders) < 2*s.keep {
		return
	}
	for id := range s.orders {
		if id < s.next-s.keep {
			delete(s.orders, id)
		}
	}
}

// Get returns the order of the given number, counted from the oldest one that is kept, or nil.
func (s *Store) Get(n int) *Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.orders) == 0 {
		return nil
	}
	return s.orders[s.next-1-n%len(s.orders)]
}

// Best returns the n orders of the highest total. It sorts them all with the lock held.
func (s *Store) Best(n int) []*Order {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Order, 0, len(s.orders))
	for _, o := range s.orders {
		all = append(all, o)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Total > all[j].Total })
	return all[:min(n, len(all))]
}
