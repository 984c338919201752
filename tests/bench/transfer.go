// This file is the client of the large transfers: one connection, one transfer at a time, nothing kept in memory.
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// transfer says what kind of large transfer a workload is.
type transfer struct{ upload bool }

const transferWithin = 60 * time.Second

// filler is an endless body of one letter.
type filler struct{}

func (filler) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// newClient keeps one connection; close it with CloseIdleConnections.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxConnsPerHost: 1, DisableCompression: true,
			ReadBufferSize: 256 << 10, WriteBufferSize: 256 << 10,
		},
		Timeout: transferWithin,
	}
}

// do transfers once and checks that every byte arrived.
func (t transfer) do(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if t.upload {
		req.Method, req.ContentLength = http.MethodPost, transferSize
		req.Body = io.NopCloser(io.LimitReader(filler{}, transferSize))
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", req.Method, url, resp.Status)
	}
	if t.upload {
		return checkUpload(resp.Body)
	}
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && n != transferSize {
		err = fmt.Errorf("GET %s: %d bytes arrived, not %d", url, n, transferSize)
	}
	return err
}

func checkUpload(body io.Reader) error {
	answer, err := io.ReadAll(io.LimitReader(body, 1000))
	if err == nil && string(answer) != strconv.Itoa(transferSize) {
		err = fmt.Errorf("the application read %.80q bytes, not %d", answer, transferSize)
	}
	return err
}

var kindTransfer = kind{one: "connection", many: "connections", columns: transferColumns, measure: measureTransfers}

// measureTransfers does one transfer to warm up and then the timed ones. The peak of memory counts from before the
// first, so an answer or an upload that is held in memory shows.
func measureTransfers(ctx context.Context, b *bench, srv *server, w workload, _ int) (sample, error) {
	client, count := newClient(), b.opt.transfers
	defer client.CloseIdleConnections()
	if err := srv.resetPeak(); err != nil {
		return nil, err
	}
	before, err := srv.peakRSS()
	if err != nil {
		return nil, err
	}
	if err := w.transfer.do(ctx, client, srv.url(w.key)); err != nil {
		return nil, err
	}
	start, cpuBefore := time.Now(), srv.cpu()
	for range count {
		if err := w.transfer.do(ctx, client, srv.url(w.key)); err != nil {
			return nil, err
		}
	}
	took, used := time.Since(start), srv.cpu()-cpuBefore
	peak, err := srv.peakRSS()
	if err != nil {
		return nil, err
	}
	return sample{
		rate:   float64(count) / took.Seconds(),
		cpu:    micros(used) / float64(count),
		growth: float64(max(0, peak-before)) / mebi,
	}, nil
}
