// Middles of objects from the network's maps: peaks that are sure enough, the surest first, and of two of one family
// that stand in one another the surer, as perception's decoding does. How many peaks are surer is counted for each, so
// nothing hangs on the order in which threads find them.
#include "shim.cu"

enum { LEAST, FLOOR, TEMPERATURE, OFFSET, FAMILY, RADIUS_M, TOLD };  // of a class
enum { X, Y, Z, LENGTH, WIDTH, HEIGHT, SIN, COS };                   // of a box
#define BINS 256u
#define MOST_LOG_ODDS 30.0
#define FURTHEST_M 2.0   // of a box's middle from its cell's
#define SHORTEST_M 0.1
#define LONGEST_M 40.0

struct Found {  // lowest: the bin of existence below which no peak is among the surest
  unsigned count, lowest, bins[BINS];
};
struct Peak {
  double existence, x, y, cosine, sine, half_length, half_width, radius_m;
  int place, family;
};
static_assert(sizeof(Peak) == 72 && sizeof(Found) == 1032, "plans.py counts on it");

DEVICE double clipped(double value, double low, double high) {
  return value < low ? low : value > high ? high : value;
}

// What stands behind the network's word, by what was measured of a class.
DEVICE double believed(double existence, const double *__restrict__ told) {
  const double kept = clipped(existence, 1e-12, 1.0 - 1e-12);
  const double odds = log(kept / (1.0 - kept)) / told[TEMPERATURE] + told[OFFSET];
  return 1.0 / (1.0 + exp(-clipped(odds, -MOST_LOG_ODDS, MOST_LOG_ODDS)));
}

DEVICE unsigned bin_of(double existence) { return (unsigned)(existence * (BINS - 1)); }

// heat: (classes, rows, columns), overlap: (rows, columns), told: (classes, TOLD). values, places: room for all peaks.
KERNEL peaks_found(const float *__restrict__ heat, const float *__restrict__ overlap, const double *__restrict__ told,
                   int classes, int rows, int columns, double fit, Found *found, double *__restrict__ values,
                   int *__restrict__ places) {
  const unsigned place = INDEX, size = (unsigned)rows * (unsigned)columns;
  if (place >= (unsigned)classes * size) return;
  const int i = (int)(place % size) / columns, j = (int)(place % size) % columns;
  const float *layer = heat + place / size * size;
  const float here = heat[place];
  told += TOLD * (place / size);
  if (!(here >= told[FLOOR])) return;
  for (int p = i > 0 ? i - 1 : 0; p < (i + 2 < rows ? i + 2 : rows); ++p)
    for (int q = j > 0 ? j - 1 : 0; q < (j + 2 < columns ? j + 2 : columns); ++q) {
      const float other = layer[p * columns + q];  // of equal ones the first
      if (other > here || (other == here && (p < i || (p == i && q < j)))) return;
    }
  const double middle = 1.0 / (1.0 + (double)expf(-here)), whole = 1.0 / (1.0 + (double)expf(-overlap[place % size]));
  const double existence = pow(middle, 1.0 - fit) * pow(whole, fit);
  if (!(existence >= told[LEAST])) return;
  const unsigned at = atomic_add(&found->count, 1u);
  values[at] = believed(existence, told);
  atomic_add(&found->bins[bin_of(values[at])], 1u);
  places[at] = (int)place;
}
OFFER(peaks_found)

// One thread: finds the bin down to which the surest `limit` lie.
KERNEL peaks_counted(Found *found, int limit) {
  if (INDEX != 0) return;
  unsigned bin = BINS - 1;
  for (unsigned surer = found->bins[bin]; bin > 0 && surer < (unsigned)limit; surer += found->bins[bin]) --bin;
  found->lowest = bin;
}
OFFER(peaks_counted)

// Sets peaks[rank] of the surest `limit`; of equal ones the first in the maps comes first. One thread a peak.
KERNEL peaks_ranked(const Found *__restrict__ found, const double *__restrict__ values,
                    const int *__restrict__ places, const double *__restrict__ told, const float *__restrict__ box,
                    int rows, int columns, double origin_x, double origin_y, double cell_m, int limit,
                    Peak *__restrict__ peaks) {
  const unsigned n = INDEX, count = found->count, size = (unsigned)rows * (unsigned)columns;
  if (n >= count || bin_of(values[n]) < found->lowest) return;
  int rank = 0;
  for (unsigned m = 0; m < count; ++m)
    rank += values[m] > values[n] || (values[m] == values[n] && places[m] < places[n]);
  if (rank >= limit) return;
  const unsigned at = (unsigned)places[n] % size;
  const double *mine = told + TOLD * ((unsigned)places[n] / size);
  const double sine = box[SIN * size + at], cosine = box[COS * size + at], norm = sqrt(sine * sine + cosine * cosine);
  const double shortest = log(SHORTEST_M), longest = log(LONGEST_M);
  Peak peak;
  peak.existence = values[n];
  peak.x = origin_x + (at / columns + 0.5) * cell_m + clipped(box[X * size + at], -FURTHEST_M, FURTHEST_M);
  peak.y = origin_y + (at % columns + 0.5) * cell_m + clipped(box[Y * size + at], -FURTHEST_M, FURTHEST_M);
  peak.cosine = norm > 0.0 ? cosine / norm : 1.0;  // of atan2(0, 0)
  peak.sine = norm > 0.0 ? sine / norm : 0.0;
  peak.half_length = 0.5 * exp(clipped(box[LENGTH * size + at], shortest, longest));
  peak.half_width = 0.5 * exp(clipped(box[WIDTH * size + at], shortest, longest));
  peak.radius_m = mine[RADIUS_M];
  peak.place = places[n];
  peak.family = (int)mine[FAMILY];
  peaks[rank] = peak;
}
OFFER(peaks_ranked)

DEVICE bool hides(const Peak &sure, const Peak &other) {
  const double x = other.x - sure.x, y = other.y - sure.y;
  const bool within = fabs(x * sure.cosine + y * sure.sine) < sure.half_length &&
                      fabs(y * sure.cosine - x * sure.sine) < sure.half_width;
  return sure.family == other.family && (within || x * x + y * y < sure.radius_m * sure.radius_m);
}

// hidden: (limit, words) bits of the later peaks that a peak hides. One thread a word.
KERNEL peaks_hidden(const Found *__restrict__ found, const Peak *__restrict__ peaks, int limit, int words,
                    unsigned *__restrict__ hidden) {
  const int row = (int)(INDEX / (unsigned)words), word = (int)(INDEX % (unsigned)words);
  const int count = found->count < (unsigned)limit ? (int)found->count : limit;
  if (row >= count) return;
  const Peak mine = peaks[row];
  unsigned bits = 0;
  for (int bit = 0; bit < 32; ++bit) {
    const int other = 32 * word + bit;
    if (other > row && other < count && hides(mine, peaks[other])) bits |= 1u << bit;
  }
  hidden[INDEX] = bits;
}
OFFER(peaks_hidden)

// One thread. gone: (words,) zero before; out: (most, 4) existence, class and cell; kept: how many rows are set.
KERNEL peaks_kept(const Found *__restrict__ found, const Peak *__restrict__ peaks,
                  const unsigned *__restrict__ hidden, int rows, int columns, int limit, int words, int most,
                  unsigned *gone, double *__restrict__ out, int *__restrict__ kept) {
  if (INDEX != 0) return;
  const int count = found->count < (unsigned)limit ? (int)found->count : limit, size = rows * columns;
  int told_rows = 0;
  for (int n = 0; n < count && told_rows < most; ++n) {
    if (gone[n / 32] >> n % 32 & 1u) continue;
    for (int word = n / 32; word < words; ++word) gone[word] |= hidden[n * words + word];
    const int place = peaks[n].place;
    out[4 * told_rows] = peaks[n].existence;
    out[4 * told_rows + 1] = place / size;
    out[4 * told_rows + 2] = place % size / columns;
    out[4 * told_rows + 3] = place % size % columns;
    ++told_rows;
  }
  *kept = told_rows;
}
OFFER(peaks_kept)
