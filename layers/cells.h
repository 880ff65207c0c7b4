// All cells: each a few lines of formulas over public ops. The umbrella of layers/cells/.
#pragma once

#include <reel/layers/cells/convolutional.h>
#include <reel/layers/cells/elementwise.h>
#include <reel/layers/cells/gru.h>
#include <reel/layers/cells/highway.h>
#include <reel/layers/cells/layer_norm.h>
#include <reel/layers/cells/lstm.h>
#include <reel/layers/cells/lstm_variants.h>
#include <reel/layers/cells/mgu.h>
#include <reel/layers/cells/rnn.h>
