package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// fetch is a package file on its way to the disk. Any number of requests read it while it grows.
type fetch struct {
	headers chan struct{} // closed when it is known what the source answers
	status  int
	length  int64 // -1 when the source does not say
	file    *os.File

	mutex   sync.Mutex
	grown   *sync.Cond
	readers int // how many use file, the fetch itself counted
	size    int64
	done    bool
	err     error
}

// serveFile answers with a package file: from the disk, or from its source while it goes to the disk.
func (m *Mirror) serveFile(w http.ResponseWriter, r *http.Request) {
	path := m.file(r)

	if kept, err := os.Open(path); err == nil {
		defer kept.Close()

		info, err := kept.Stat()
		if err != nil {
			m.fail(w, err)
			return
		}

		// A kept file is sent in ranges, too; one that is on its way is only sent whole.
		http.ServeContent(w, r, "", info.ModTime(), kept)

		return
	} else if !errors.Is(err, fs.ErrNotExist) {
		m.fail(w, err)
		return
	}

	f := m.join(path, r.URL.String())
	defer f.leave()

	select {
	case <-f.headers:
	case <-r.Context().Done():
		return
	}

	if f.file == nil {
		m.refuse(w, f)
		return
	}

	if f.length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(f.length, 10))
	}

	w.Header().Set("Content-Type", "application/vnd.debian.binary-package")

	if err := f.copyTo(w); err != nil {
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
}

func (m *Mirror) refuse(w http.ResponseWriter, f *fetch) {
	if f.err != nil {
		m.fail(w, f.err)
		return
	}

	http.Error(w, "the package source answers "+http.StatusText(f.status), f.status)
}

// join finds the fetch of a file that is under way, or begins one. Requests may leave; the fetch goes on.
func (m *Mirror) join(path, url string) *fetch {
	m.mutex.Lock()
	defer m.mutex.Unlock()

	if f, ok := m.fetches[path]; ok && f.enter() {
		return f
	}

	// Two readers from the beginning: the request, and the fetch itself.
	f := &fetch{
		headers: make(chan struct{}),
		length:  -1,
		readers: 2,
	}

	f.grown = sync.NewCond(&f.mutex)
	m.fetches[path] = f

	go func() {
		defer f.leave()

		// Finished before it is forgotten: a request that joins in between reads what is there, or the error.
		f.finish(m.run(f, path, url))
		m.mutex.Lock()
		delete(m.fetches, path)
		m.mutex.Unlock()
	}()

	return f
}

// run brings the file to the disk, under its name only when it is whole.
func (m *Mirror) run(f *fetch, path, url string) (err error) {
	// Not the context of the request that began it: others may read the file when that one is cancelled.
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return f.answer(0, -1, nil, err)
	}

	// RoundTrip follows no redirect, which could lead to a host that is not allowed.
	response, err := m.Transport.RoundTrip(request)
	if err != nil {
		return f.answer(0, -1, nil, err)
	}
	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return f.answer(response.StatusCode, -1, nil, nil)
	}

	temporary, err := create(path)
	if err != nil {
		return f.answer(0, -1, nil, err)
	}
	defer func() {
		if err != nil {
			os.Remove(temporary.Name())
		}
	}()

	f.answer(http.StatusOK, response.ContentLength, temporary, nil)

	if _, err := io.Copy(f, response.Body); err != nil {
		return fmt.Errorf("fetch %s: %w", url, err)
	}

	return os.Rename(temporary.Name(), path)
}

func create(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}

	// In the folder of the file itself, because no rename leads from one file system to another.
	return os.CreateTemp(filepath.Dir(path), ".part-*")
}

// answer tells the waiting requests what the source said.
func (f *fetch) answer(status int, length int64, file *os.File, err error) error {
	f.mutex.Lock()
	f.status = status
	f.length = length
	f.file = file
	f.err = err
	f.mutex.Unlock()
	close(f.headers)

	return err
}

// Write appends what came and wakes the readers.
func (f *fetch) Write(data []byte) (int, error) {
	n, err := f.file.Write(data)
	f.mutex.Lock()
	f.size += int64(n)
	f.mutex.Unlock()
	f.grown.Broadcast()

	return n, err
}

func (f *fetch) finish(err error) {
	f.mutex.Lock()
	f.done = true
	f.err = err
	f.mutex.Unlock()
	f.grown.Broadcast()
}

// copyTo writes the whole file, waiting for what has not come yet.
func (f *fetch) copyTo(w io.Writer) error {
	var offset int64
	for {
		size, done, err := f.await(offset)
		if err != nil {
			return err
		}

		// Each reader has its own offset: the file's own belongs to the fetch that writes it.
		n, err := io.Copy(w, io.NewSectionReader(f.file, offset, size-offset))
		offset += n
		if err != nil || done && offset == size {
			return err
		}
	}
}

// await returns how far the file has come once it is beyond offset or has ended.
func (f *fetch) await(offset int64) (size int64, done bool, err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()

	for f.size == offset && !f.done {
		f.grown.Wait()
	}

	return f.size, f.done, f.err
}

// enter counts one more reader, unless the last has left.
func (f *fetch) enter() bool {
	f.mutex.Lock()
	defer f.mutex.Unlock()

	// The last one closed the file.
	if f.readers == 0 {
		return false
	}

	f.readers++

	return true
}

func (f *fetch) leave() {
	f.mutex.Lock()
	defer f.mutex.Unlock()

	f.readers--

	if f.readers == 0 && f.file != nil {
		f.file.Close()
	}
}
