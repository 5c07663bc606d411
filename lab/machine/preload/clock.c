// Shows the program that it is preloaded into a wall clock some time away from the true one, as a step of the computer's
// clock would. How far is read from a file that stays mapped: a program follows each change at once, and goes back when
// there is none. The monotonic clock, what the kernel writes down, and timers of timerfd_create and timer_create are as they
// were.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000

static const int64_t none;
static const volatile int64_t *step = &none; // nanoseconds

static int (*true_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void)
{
	int file = open(STEP_FILE, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	struct stat found;
	if (fstat(file, &found) == 0 && found.st_size >= (off_t)sizeof *step) {
		void *mapped = mmap(NULL, sizeof *step, PROT_READ, MAP_SHARED, file, 0);
		if (mapped != MAP_FAILED)
			step = mapped;
	}
	close(file);
	true_clock = dlsym(RTLD_NEXT, "clock_gettime");
}

static struct timespec moved(struct timespec t, int64_t by)
{
	t.tv_sec += by / SECOND;
	t.tv_nsec += by % SECOND;
	if (t.tv_nsec < 0) {
		t.tv_nsec += SECOND;
		t.tv_sec--;
	} else if (t.tv_nsec >= SECOND) {
		t.tv_nsec -= SECOND;
		t.tv_sec++;
	}
	return t;
}

static int is_wall(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

// Telling the time.

int clock_gettime(clockid_t clock, struct timespec *to)
{
	// Others' constructors may ask before ours has run.
	int result = true_clock ? true_clock(clock, to) : (int)syscall(SYS_clock_gettime, clock, to);
	if (result == 0 && is_wall(clock))
		*to = moved(*to, *step);
	return result;
}

int gettimeofday(struct timeval *restrict to, void *restrict zone)
{
	(void)zone;
	struct timespec now;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	*to = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *to)
{
	struct timespec now;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	if (to)
		*to = now.tv_sec;
	return now.tv_sec;
}

int timespec_get(struct timespec *to, int base)
{
	return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, to) == 0 ? base : 0;
}

// Waiting until a time: the kernel is told the true one.

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define TRUE_TIME(until) (&(struct timespec[]){moved(*(until), -*step)}[0])

// glibc keeps the clock of a condition in this bit.
#define MONOTONIC_CONDITION 2

int pthread_cond_timedwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, const struct timespec *restrict until)
{
	static __typeof__(&pthread_cond_timedwait) next;
	if (!next)
		next = NEXT(pthread_cond_timedwait);
	return next(c, m, c->__data.__wrefs & MONOTONIC_CONDITION ? until : TRUE_TIME(until));
}

int pthread_cond_clockwait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m, clockid_t clock, const struct timespec *restrict until)
{
	static __typeof__(&pthread_cond_clockwait) next;
	if (!next)
		next = NEXT(pthread_cond_clockwait);
	return next(c, m, clock, is_wall(clock) ? TRUE_TIME(until) : until);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict m, const struct timespec *restrict until)
{
	static __typeof__(&pthread_mutex_timedlock) next;
	if (!next)
		next = NEXT(pthread_mutex_timedlock);
	return next(m, TRUE_TIME(until));
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t *restrict l, const struct timespec *restrict until)
{
	static __typeof__(&pthread_rwlock_timedrdlock) next;
	if (!next)
		next = NEXT(pthread_rwlock_timedrdlock);
	return next(l, TRUE_TIME(until));
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t *restrict l, const struct timespec *restrict until)
{
	static __typeof__(&pthread_rwlock_timedwrlock) next;
	if (!next)
		next = NEXT(pthread_rwlock_timedwrlock);
	return next(l, TRUE_TIME(until));
}

int sem_timedwait(sem_t *restrict s, const struct timespec *restrict until)
{
	static __typeof__(&sem_timedwait) next;
	if (!next)
		next = NEXT(sem_timedwait);
	return next(s, TRUE_TIME(until));
}

int sem_clockwait(sem_t *restrict s, clockid_t clock, const struct timespec *restrict until)
{
	static __typeof__(&sem_clockwait) next;
	if (!next)
		next = NEXT(sem_clockwait);
	return next(s, clock, is_wall(clock) ? TRUE_TIME(until) : until);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left)
{
	static __typeof__(&clock_nanosleep) next;
	if (!next)
		next = NEXT(clock_nanosleep);
	return next(clock, flags, is_wall(clock) && (flags & TIMER_ABSTIME) ? TRUE_TIME(until) : until, left);
}
