package main

/*
#define _GNU_SOURCE
#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>

// Before Go starts: each of its threads takes its slack from the one that makes it.
static void __attribute__((constructor)) begin(void) {
	prctl(PR_SET_TIMERSLACK, 1000000UL, 0, 0, 0);
	mallopt(M_ARENA_MAX, 1);
}

static int unmap(struct dl_phdr_info *info, size_t size, void *data) {
	for (int n = 0; n < info->dlpi_phnum; n++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[n];
		if (part->p_type != PT_LOAD || (part->p_flags & PF_W))
			continue;
		uintptr_t from = (info->dlpi_addr + part->p_vaddr) & ~(uintptr_t)4095;
		uintptr_t to = (info->dlpi_addr + part->p_vaddr + part->p_memsz + 4095) & ~(uintptr_t)4095;
		madvise((void *)from, to - from, MADV_NOHUGEPAGE);
		madvise((void *)from, to - from, MADV_DONTNEED);
	}
	return 0;
}

static void unmapProgram(void) { dl_iterate_phdr(unmap, NULL); }
static void trim(void) { malloc_trim(0); }
*/
import "C"

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/hornero/hornero/internal/pause"
)

const (
	// gcPercent makes Go collect garbage when the heap has grown by half: the agent has little to do, and memory is
	// the database's.
	gcPercent = 50
	// startTime is after how long what an agent does at its start is over.
	startTime = 20 * time.Second
	// trimEvery is how often memory that nothing uses is given back from then on.
	trimEvery = time.Minute
)

// limitResources makes the agent cost its node little. What it does all day is short and comes ten to a hundred
// times a second: the price is in waking threads.
//
// Go's timers and its monitor's may be late by a millisecond (the constructor above), so that one wake-up
// serves several. One thread at a time runs Go code: more of them would wake each other at every message only
// to find nothing left to do; dqlite has its own. C's memory lies in one place, not in one for each of dqlite's
// threads. What of the program only its start needed is unmapped once: whatever is used again is mapped again.
func limitResources(ctx context.Context) {
	// What somebody set in the environment stays.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}

	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}

	go func() {
		// The start needs the pages that are given back here.
		if !pause.For(ctx, startTime) {
			return
		}

		C.unmapProgram()

		// Memory that was freed stays with the process until it is given back.
		for again := true; again; again = pause.For(ctx, trimEvery) {
			C.trim()
			debug.FreeOSMemory()
		}
	}()
}
