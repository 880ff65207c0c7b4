// A scan by the compiled loop. Internal.
#pragma once

#include <string>

#include <reel/layers/eager_scan.h>

namespace reel::detail {

/// Runs the scan by a plan of its step, made now or before, if there can be one; else changes nothing, says in
/// `reason` why, and returns false. At least one step counts.
bool scan_compiled(const ScanCall& call, std::vector<Tensor>& state, bool with_states, ScanOutputs& outputs,
                   std::string& reason);

}  // namespace reel::detail
