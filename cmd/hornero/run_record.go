package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// keptRuns is how many runs of a stack are remembered.
const keptRuns = 50

// runSuffix ends the name of a run's file, which begins with its number.
const runSuffix = ".jsonl"

// runRecord keeps what a run told, a progressEvent a line. Nil keeps nothing.
type runRecord struct{ file *os.File }

// stateFolder is where a program keeps what it can do without (XDG Base Directory Specification).
func stateFolder() (string, error) {
	if folder := os.Getenv("XDG_STATE_HOME"); folder != "" {
		return folder, nil
	}

	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find the folder of runs: %w; set XDG_STATE_HOME", err)
	}

	return filepath.Join(home, ".local", "state"), nil
}

// runsFolder is where the runs of a stack are.
func runsFolder(stack string) (string, error) {
	state, err := stateFolder()

	return filepath.Join(state, "hornero", stack, "runs"), err
}

// beginRecord makes the record of a run of a stack, and removes the oldest of too many.
func beginRecord(stack string) (*runRecord, error) {
	folder, err := runsFolder(stack)
	if err != nil {
		return nil, err
	}

	// What ran may be nobody else's business.
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}

	numbers, err := runNumbers(folder)
	if err != nil {
		return nil, err
	}

	next := 1
	if len(numbers) > 0 {
		next = numbers[len(numbers)-1] + 1
	}

	// Two that begin at once want the same number, and one gets the next.
	for {
		file, err := os.OpenFile(runFile(folder, next), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, fs.ErrExist) {
			next++
			continue
		}

		if err != nil {
			return nil, err
		}

		for len(numbers) >= keptRuns {
			_ = os.Remove(runFile(folder, numbers[0])) // the next run tries again
			numbers = numbers[1:]
		}

		return &runRecord{file}, nil
	}
}

// write keeps an event. A disk that is full must not keep a stack from being mended.
func (r *runRecord) write(event progressEvent) {
	if r != nil {
		_ = json.NewEncoder(r.file).Encode(event)
	}
}

func (r *runRecord) close() {
	if r != nil {
		_ = r.file.Close()
	}
}

func runFile(folder string, number int) string {
	return filepath.Join(folder, fmt.Sprintf("%06d%s", number, runSuffix))
}

// runNumbers are those of the runs in a folder, the oldest first.
func runNumbers(folder string) ([]int, error) {
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	var numbers []int

	for _, entry := range entries {
		name, isRun := strings.CutSuffix(entry.Name(), runSuffix)
		if number, err := strconv.Atoi(name); err == nil && isRun {
			numbers = append(numbers, number)
		}
	}

	slices.Sort(numbers)

	return numbers, nil
}

// readRun reads what a run told. A line that was cut off, as by a crash, ends it.
func readRun(folder string, number int) ([]progressEvent, error) {
	file, err := os.Open(runFile(folder, number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no run %d; `hornero runs` lists all", number)
	}

	if err != nil {
		return nil, err
	}
	defer file.Close()

	var events []progressEvent
	decoder := json.NewDecoder(bufio.NewReader(file))

	for decoder.More() {
		var event progressEvent
		if decoder.Decode(&event) != nil {
			break
		}

		events = append(events, event)
	}

	return events, nil
}

// commandWords are the words of a command line as they were understood.
func commandWords(cmd *cobra.Command, args []string) []string {
	words := strings.Fields(cmd.CommandPath())

	cmd.Flags().Visit(func(flag *pflag.Flag) {
		words = append(words, "--"+flag.Name+"="+flag.Value.String())
	})

	return append(words, args...)
}
