// Features of cameras into cells: for each place the mean over the cameras that see it, by weights, of what each shows
// there (bilinear, 0 outside the picture, as torch's grid_sample without align_corners). In the forward pass and in the
// gradient of the weights each thread gathers for itself, so these come out the same each time; the gradient of the
// features is summed by atomic additions, whose order a GPU leaves open.
#include "shim.cu"

#ifndef REAL
#define REAL float
#endif
#define TOGETHER 8  // channels a thread

struct Taps {  // at: of the four pixels around, -1 outside
  int at[4];
  REAL part[4];
};

// places: (2,) x y of one place, from -1, the left or upper border, to 1.
DEVICE Taps taps_of(const REAL *__restrict__ place, int high, int wide) {
  const REAL x = ((place[0] + 1) * wide - 1) / 2, y = ((place[1] + 1) * high - 1) / 2;
  Taps taps;
  const bool seen = x > -1 && x < wide && y > -1 && y < high;  // nowhere: neither is NaN
  const int left = seen ? (int)floor(x) : -2, upper = seen ? (int)floor(y) : -2;
  const REAL right = x - left, lower = y - upper;
UNROLL
  for (int k = 0; k < 4; ++k) {
    const int column = left + (k & 1), row = upper + (k >> 1);
    const bool inside = column >= 0 && column < wide && row >= 0 && row < high;
    taps.at[k] = inside ? row * wide + column : -1;
    taps.part[k] = (k & 1 ? right : 1 - right) * (k >> 1 ? lower : 1 - lower);
  }
  return taps;
}

DEVICE REAL shown(const REAL *__restrict__ picture, const Taps &taps) {
  REAL value = 0;
UNROLL
  for (int k = 0; k < 4; ++k)
    if (taps.at[k] >= 0) value += taps.part[k] * picture[taps.at[k]];
  return value;
}

DEVICE REAL sum_of(const REAL *__restrict__ weights, int cameras, int count, unsigned p) {
  REAL sum = 0;
  for (int n = 0; n < cameras; ++n) {
    const REAL weight = weights[(long long)n * count + p];
    if (weight > 0) sum += weight;
  }
  return sum;
}

// features: (cameras, channels, high, wide), places: (cameras, count, 2), weights: (cameras, count); out: (channels,
// count). One thread for TOGETHER channels of a place.
KERNEL lift_forward(const REAL *__restrict__ features, const REAL *__restrict__ places,
                    const REAL *__restrict__ weights, int cameras, int channels, int high, int wide, int count,
                    REAL *__restrict__ out) {
  const unsigned p = INDEX % (unsigned)count;
  const int first = (int)(INDEX / (unsigned)count) * TOGETHER;
  if (first >= channels) return;
  const long long size = (long long)high * wide;
  REAL totals[TOGETHER] = {}, sum = 0;
  for (int n = 0; n < cameras; ++n) {
    const REAL weight = weights[(long long)n * count + p];
    if (!(weight > 0)) continue;
    const Taps taps = taps_of(places + 2 * ((long long)n * count + p), high, wide);
    const REAL *picture = features + ((long long)n * channels + first) * size;
    sum += weight;
UNROLL
    for (int c = 0; c < TOGETHER; ++c)
      if (first + c < channels) totals[c] += weight * shown(picture + c * size, taps);
  }
UNROLL
  for (int c = 0; c < TOGETHER; ++c)
    if (first + c < channels) out[(long long)(first + c) * count + p] = sum > 0 ? totals[c] / sum : 0;
}
OFFER(lift_forward)

// told: (channels, count) gradient of what came out; out: (cameras, channels, high, wide), zero before.
KERNEL lift_features(const REAL *__restrict__ told, const REAL *__restrict__ places, const REAL *__restrict__ weights,
                     int cameras, int channels, int high, int wide, int count, REAL *out) {
  const unsigned p = INDEX % (unsigned)count;
  const int first = (int)(INDEX / (unsigned)count) * TOGETHER;
  const REAL sum = sum_of(weights, cameras, count, p);
  if (first >= channels || !(sum > 0)) return;
  const long long size = (long long)high * wide;
  for (int n = 0; n < cameras; ++n) {
    const REAL weight = weights[(long long)n * count + p];
    if (!(weight > 0)) continue;
    const Taps taps = taps_of(places + 2 * ((long long)n * count + p), high, wide);
    REAL *picture = out + ((long long)n * channels + first) * size;
    for (int c = 0; c < TOGETHER && first + c < channels; ++c) {
      const REAL share = weight / sum * told[(long long)(first + c) * count + p];
UNROLL
      for (int k = 0; k < 4; ++k)
        if (taps.at[k] >= 0) atomic_add(picture + c * size + taps.at[k], taps.part[k] * share);
    }
  }
}
OFFER(lift_features)

// lifted: (channels, count) what came out; out: (cameras, count), all of it set. One thread a camera and place.
KERNEL lift_weights(const REAL *__restrict__ told, const REAL *__restrict__ features, const REAL *__restrict__ lifted,
                    const REAL *__restrict__ places, const REAL *__restrict__ weights, int cameras, int channels,
                    int high, int wide, int count, REAL *__restrict__ out) {
  const unsigned p = INDEX % (unsigned)count, n = INDEX / (unsigned)count;
  if (n >= (unsigned)cameras) return;
  const long long size = (long long)high * wide, here = (long long)n * count + p;
  const REAL sum = sum_of(weights, cameras, count, p);
  const Taps taps = taps_of(places + 2 * here, high, wide);
  REAL total = 0;
  for (int c = 0; c < channels; ++c) {
    const long long at = (long long)c * count + p;
    total += told[at] * (shown(features + ((long long)n * channels + c) * size, taps) - lifted[at]);
  }
  out[here] = sum > 0 ? total / sum : 0;
}
OFFER(lift_weights)
