/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of the fixtures of the vsock_ns tests: reasons to skip, setups, and the
 * pairs of namespaces
 */
#ifndef VSOCK_NS_FIXTURE_H
#define VSOCK_NS_FIXTURE_H

#include "kselftest_harness.h"
#include "vsock_ns_util.h"

/* Skip the test if there is a reason, as the functions cannot_*() return it. */
#define SKIP_IF(reason)							\
	do {								\
		const char *why = reason;				\
									\
		if (why)						\
			SKIP(return, "%s", why);			\
	} while (0)

/* The process of a test ends after it, so its descriptors need no close(). */
#define NO_TEARDOWN(fixture)						\
	FIXTURE_TEARDOWN(fixture)					\
	{								\
	}

/* The setup of a fixture that needs nothing but int ns[NS_COUNT] */
#define NAMESPACES_SETUP(fixture, reason)				\
	FIXTURE_SETUP(fixture)						\
	{								\
		SKIP_IF(reason);					\
		ASSERT_EQ(0, ns_make(self->ns));			\
	}								\
	NO_TEARDOWN(fixture)

/*
 * All kinds of pairs, as PAIR(fixture, name, first, second). g1 and l1 are like
 * g0 and l0, so they appear only beside these.
 */
#define PAIRS_IN_ONE_SCOPE(PAIR, fixture)				\
	PAIR(fixture, init_init, INIT, INIT);				\
	PAIR(fixture, init_g0, INIT, G0);				\
	PAIR(fixture, g0_init, G0, INIT);				\
	PAIR(fixture, g0_g0, G0, G0);					\
	PAIR(fixture, g1_g0, G1, G0);					\
	PAIR(fixture, l0_l0, L0, L0)

#define PAIRS_IN_TWO_SCOPES(PAIR, fixture)				\
	PAIR(fixture, init_l0, INIT, L0);				\
	PAIR(fixture, l0_init, L0, INIT);				\
	PAIR(fixture, g0_l0, G0, L0);					\
	PAIR(fixture, l0_g0, L0, G0);					\
	PAIR(fixture, l1_l0, L1, L0)

#endif
