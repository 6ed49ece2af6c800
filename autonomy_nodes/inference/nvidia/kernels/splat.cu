// One sweep into the cells seen from above: the channels of perception's raster. Sums are of integers in parts of
// 2^-32, and highest and lowest are found on integers ordered as floats are: so the order in which points come, which
// a GPU leaves open, changes no bit of the answer.
#include "shim.cu"

enum { COUNT, HIGHEST, LOWEST, MEAN, INTENSITY, SLICES };  // then one a slice, before, contrast, rough
#define BINS 64u                // into which the light of all points is gathered
#define NOT_TOLD (1u << 31)     // in Cell.slices: an intensity that is none
#define ONE 4294967296.0        // 2^32
#define NEAR_M 0.4              // points of the ground
#define SMOOTH_M 0.01           // as even as a road
#define AROUND 2                // cells on each side
#define MEAN_CONTRAST 0.5
#define MOST_CONTRAST 3.0

struct Cell {  // all zero where no point fell
  unsigned count, highest, lowest, slices, near, unused;
  unsigned long long height, light, near_height, near_squares;
};
struct Light {
  double mean;
  unsigned long long sums[BINS];
  unsigned counts[BINS];
};
static_assert(sizeof(Cell) == 56 && sizeof(Light) == 776, "plans.py counts on it");

DEVICE unsigned long long parts(float value) { return (unsigned long long)(long long)(value * (float)ONE); }
DEVICE double whole(unsigned long long sum) { return (double)(long long)sum / ONE; }
DEVICE unsigned ordered(float value) {  // above 0, and greater for greater floats
  const unsigned bits = bits_of(value);
  return bits >> 31 ? ~bits : bits | (1u << 31);
}
DEVICE float unordered(unsigned bits) { return float_of(bits >> 31 ? bits & ~(1u << 31) : ~bits); }

// points: (count, 4) x y z intensity; heights: (count,) above the ground; edges: (slices + 1,) of the slices.
KERNEL splat_points(const float *__restrict__ points, const float *__restrict__ heights, int count,
                    const float *__restrict__ edges, int slices, double origin_x, double origin_y, double cell_m,
                    int rows, int columns, Cell *cells, Light *light) {
  const unsigned n = INDEX;
  if (n >= (unsigned)count) return;
  const float height = heights[n], intensity = points[4 * n + 3];
  const double x = floor((points[4 * n] - origin_x) / cell_m), y = floor((points[4 * n + 1] - origin_y) / cell_m);
  const bool within = x >= 0.0 && y >= 0.0 && x < rows && y < columns;
  if (!within || !(edges[0] <= height && height < edges[slices])) return;  // NaN too
  Cell *cell = cells + (long long)x * columns + (int)y;
  atomic_add(&cell->count, 1u);
  atomic_max(&cell->highest, ordered(height));
  atomic_max(&cell->lowest, ~ordered(height));
  atomic_add(&cell->height, parts(height));
  int level = 0;
  while (level < slices - 1 && height >= edges[level + 1]) ++level;
  atomic_or(&cell->slices, 1u << level);
  if (fabs((double)height) < NEAR_M) {
    atomic_add(&cell->near, 1u);
    atomic_add(&cell->near_height, parts(height));
    atomic_add(&cell->near_squares, parts(height * height));
  }
  if (intensity >= 0.0f && intensity <= 1.0f) {
    atomic_add(&cell->light, parts(intensity));
    atomic_add(&light->sums[n % BINS], parts(intensity));
    atomic_add(&light->counts[n % BINS], 1u);
  } else {
    atomic_or(&cell->slices, NOT_TOLD);
  }
}
OFFER(splat_points)

// One thread: the mean intensity of all points that are looked at.
KERNEL splat_light(Light *light) {
  if (INDEX != 0) return;
  unsigned long long sum = 0;
  unsigned count = 0;
  for (unsigned bin = 0; bin < BINS; ++bin) {
    sum += light->sums[bin];
    count += light->counts[bin];
  }
  light->mean = count ? whole(sum) / count : 0.0;
}
OFFER(splat_light)

// Standard deviation of the heights of the ground around a cell, as a logarithm; of less than three points 0.
DEVICE float roughness(const Cell *__restrict__ cells, int i, int j, int rows, int columns) {
  unsigned number = 0;
  unsigned long long sum = 0, squares = 0;
  for (int p = i - AROUND; p <= i + AROUND; ++p)
    for (int q = j - AROUND; q <= j + AROUND; ++q) {
      if (p < 0 || q < 0 || p >= rows || q >= columns) continue;
      const Cell *cell = cells + (long long)p * columns + q;
      number += cell->near;
      sum += cell->near_height;
      squares += cell->near_squares;
    }
  if (number <= 2) return 0.0f;
  const double left = whole(squares) - whole(sum) * whole(sum) / number;
  return (float)log1p(sqrt((left > 0.0 ? left : 0.0) / (number - 1.0)) / SMOOTH_M);
}

// out: (SLICES + slices + 3, rows, columns), all of it set; of 'before', which this sweep does not tell, 0.
KERNEL splat_channels(const Cell *__restrict__ cells, const Light *__restrict__ light, int slices, int rows,
                      int columns, float *__restrict__ out) {
  const unsigned n = INDEX, size = (unsigned)rows * (unsigned)columns;
  if (n >= size) return;
  const Cell cell = cells[n];
  const bool met = cell.count > 0, bright = light->mean > 0.0;
  const float told = cell.slices & NOT_TOLD ? float_of(0x7fc00000u) : 0.0f;  // NaN: what follows refuses it
  const float intensity = met ? (float)(whole(cell.light) / cell.count) + told : 0.0f;
  const double lit = MEAN_CONTRAST / light->mean * intensity;
  float *rest = out + (long long)(SLICES + slices) * size + n;
  out[n] = log1pf((float)cell.count);
  out[HIGHEST * size + n] = met ? unordered(cell.highest) : 0.0f;
  out[LOWEST * size + n] = met ? unordered(~cell.lowest) : 0.0f;
  out[MEAN * size + n] = met ? (float)(whole(cell.height) / cell.count) : 0.0f;
  out[INTENSITY * size + n] = intensity;
  for (int level = 0; level < slices; ++level) out[(SLICES + level) * size + n] = (float)(cell.slices >> level & 1u);
  rest[0] = 0.0f;
  rest[size] = bright ? (float)(lit > MOST_CONTRAST ? MOST_CONTRAST : lit) : met ? (float)MEAN_CONTRAST + told : 0.0f;
  rest[2 * size] = cell.near ? roughness(cells, n / columns, n % columns, rows, columns) : 0.0f;
}
OFFER(splat_channels)
