// All metrics. Each takes batches by update(), tells its value() over all of them since reset(), and keeps what it has
// added up in state(), from which restore() goes on in a resumed run.
#pragma once

#include <reel/models/training/metric_totals.h>
#include <reel/models/training/metrics_classes.h>
#include <reel/models/training/metrics_errors.h>
#include <reel/models/training/metrics_language.h>
