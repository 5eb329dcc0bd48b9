// The barriers of the kernels for rows have names, so that tests in the emulator can take one away and see its absence.
// On a device every one is there.
#pragma once

namespace sigmax {

enum class row_barrier { none, copies, passing_copies, cluster_start, maximum, total, row_amax, row_amax_read };

#if defined(SIGMAX_SIMT_EMULATOR)
inline row_barrier missing_barrier = row_barrier::none;
inline bool block_barrier_for_cluster = false;
#define SIGMAX_BARRIER_IS_THERE(which) (missing_barrier != row_barrier::which)
#else
#define SIGMAX_BARRIER_IS_THERE(which) true
#endif

}  // namespace sigmax
