/* A libcuda.so.1 on memory of the host, for the real pycuda on a machine without a driver.

   Work on a stream is kept and done when an event or the stream is asked for, as late as a GPU may. Calls that need a
   current context fail without one. What is not here answers CUDA_ERROR_NOT_SUPPORTED. Prototypes as in the reference
   of the CUDA driver API. fake_* are for the tests: counts of what was taken, a limit of memory, a GPU that hangs. */

#include <stdlib.h>
#include <string.h>

typedef int R;
typedef unsigned long long P;
enum { OK = 0, OUT_OF_MEMORY = 2, NO_DEVICE = 100, INVALID_CONTEXT = 201, NOT_READY = 600, NOT_SUPPORTED = 801 };
enum { SM_COUNT = 16, CC_MAJOR = 75, CC_MINOR = 76, DEPTH = 16 };

typedef struct work { struct work *next; void *to; const void *of; size_t size; void (*call)(void); } work;
typedef struct { work *first, **last; } stream;
typedef struct { stream *of; } event;

static __thread void *stack[DEPTH];
static __thread int depth;
static int primary, hangs, devices = 1;
static long taken, given, limit = -1;

long fake_taken(void) { return taken; }
long fake_given(void) { return given; }
int fake_depth(void) { return depth; }
void fake_limit(long left) { limit = left; }
void fake_hang(int on) { hangs = on; }
void fake_devices(int count) { devices = count; }

#define NEED_CONTEXT do { if (!depth) return INVALID_CONTEXT; } while (0)

R cuInit(unsigned f) { (void)f; return devices ? OK : NO_DEVICE; }
R cuDriverGetVersion(int *v) { *v = 13000; return OK; }
R cuDeviceGetCount(int *n) { *n = devices; return OK; }
R cuDeviceGet(int *d, int i) { *d = i; return OK; }
R cuDeviceGetName(char *s, int n, int d) { (void)d; strncpy(s, "memory of the host", (size_t)n); return OK; }
R cuDeviceTotalMem_v2(size_t *n, int d) { (void)d; *n = (size_t)1 << 30; return OK; }
R cuDeviceComputeCapability(int *a, int *b, int d) { (void)d; *a = 8; *b = 7; return OK; }
R cuDeviceGetAttribute(int *v, int which, int d) {
    (void)d;
    *v = which == SM_COUNT ? 16 : which == CC_MAJOR ? 8 : which == CC_MINOR ? 7 : 1;
    return OK;
}
R cuDeviceCanAccessPeer(int *can, int a, int b) { (void)a; (void)b; *can = 0; return OK; }
R cuDevicePrimaryCtxRetain(void **c, int d) { (void)d; *c = &primary; primary++; return OK; }
R cuDevicePrimaryCtxRelease_v2(int d) { (void)d; primary--; return OK; }
R cuCtxPushCurrent_v2(void *c) { if (depth == DEPTH) return OUT_OF_MEMORY; stack[depth++] = c; return OK; }
R cuCtxPopCurrent_v2(void **c) { NEED_CONTEXT; depth--; if (c) *c = stack[depth]; return OK; }
R cuCtxGetDevice(int *d) { NEED_CONTEXT; *d = 0; return OK; }
R cuCtxSynchronize(void) { NEED_CONTEXT; return OK; }
R cuCtxGetApiVersion(void *c, unsigned *v) { (void)c; *v = 13000; return OK; }
R cuGetErrorString(R e, const char **s) {
    *s = e == OUT_OF_MEMORY ? "out of memory" : e == NO_DEVICE ? "no CUDA-capable device is detected"
        : e == INVALID_CONTEXT ? "invalid device context" : e == NOT_READY ? "device not ready"
        : "operation not supported";
    return OK;
}

static void *take(size_t n) {
    if (limit == 0) return NULL;
    if (limit > 0) limit--;
    void *p = calloc(1, n ? n : 1);
    if (p) taken++;
    return p;
}
static R give(void *p) { NEED_CONTEXT; given++; free(p); return OK; }

R cuMemAlloc_v2(P *p, size_t n) { NEED_CONTEXT; void *m = take(n); *p = (P)m; return m ? OK : OUT_OF_MEMORY; }
R cuMemFree_v2(P p) { return give((void *)p); }
R cuMemHostAlloc(void **p, size_t n, unsigned f) {
    (void)f; NEED_CONTEXT; *p = take(n); return *p ? OK : OUT_OF_MEMORY;
}
R cuMemFreeHost(void *p) { return give(p); }
R cuMemGetInfo_v2(size_t *a, size_t *b) { NEED_CONTEXT; *a = *b = (size_t)1 << 30; return OK; }

static R put(stream *s, void *to, const void *of, size_t n, void (*call)(void)) {
    work *w = malloc(sizeof *w);
    if (!w) return OUT_OF_MEMORY;
    *w = (work){NULL, to, of, n, call};
    *s->last = w;
    s->last = &w->next;
    return OK;
}
static void finish(stream *s) {
    while (s->first) {
        work *w = s->first;
        s->first = w->next;
        if (!s->first) s->last = &s->first;
        if (w->call) w->call(); else memcpy(w->to, w->of, w->size);
        free(w);
    }
}
R fake_launch(void *s, void (*call)(void)) { return put(s, NULL, NULL, 0, call); }

R cuStreamCreate(void **p, unsigned f) {
    (void)f; NEED_CONTEXT;
    stream *s = calloc(1, sizeof *s);
    if (!s) return OUT_OF_MEMORY;
    s->last = &s->first;
    *p = s;
    return OK;
}
R cuStreamDestroy_v2(void *s) { NEED_CONTEXT; if (!hangs) { finish(s); free(s); } return OK; }
R cuStreamQuery(void *s) { NEED_CONTEXT; if (hangs) return NOT_READY; finish(s); return OK; }
R cuStreamSynchronize(void *s) { NEED_CONTEXT; finish(s); return OK; }
R cuStreamWaitEvent(void *s, void *e, unsigned f) { (void)s; (void)e; (void)f; return OK; }
R cuMemcpyHtoDAsync_v2(P to, const void *of, size_t n, void *s) { NEED_CONTEXT; return put(s, (void *)to, of, n, NULL); }
R cuMemcpyDtoHAsync_v2(void *to, P of, size_t n, void *s) { NEED_CONTEXT; return put(s, to, (void *)of, n, NULL); }
R cuMemcpyHtoD_v2(P to, const void *of, size_t n) { NEED_CONTEXT; memcpy((void *)to, of, n); return OK; }
R cuMemcpyDtoH_v2(void *to, P of, size_t n) { NEED_CONTEXT; memcpy(to, (void *)of, n); return OK; }
R cuMemcpyDtoD_v2(P to, P of, size_t n) { NEED_CONTEXT; memmove((void *)to, (void *)of, n); return OK; }
R cuEventCreate(void **e, unsigned f) {
    (void)f; NEED_CONTEXT; *e = calloc(1, sizeof(event)); return *e ? OK : OUT_OF_MEMORY;
}
R cuEventDestroy_v2(void *e) { NEED_CONTEXT; free(e); return OK; }
R cuEventRecord(void *e, void *s) { NEED_CONTEXT; ((event *)e)->of = s; return OK; }
R cuEventQuery(void *e) {
    NEED_CONTEXT;
    if (hangs) return NOT_READY;
    if (((event *)e)->of) finish(((event *)e)->of);
    return OK;
}
R cuEventSynchronize(void *e) { return cuEventQuery(e); }
R cuEventElapsedTime_v2(float *ms, void *a, void *b) { (void)a; (void)b; *ms = 0.0f; return OK; }

#define LACKS(name) R name(void) { return NOT_SUPPORTED; }
LACKS(cuArray3DCreate_v2) LACKS(cuArray3DGetDescriptor_v2) LACKS(cuArrayCreate_v2)
LACKS(cuArrayDestroy) LACKS(cuArrayGetDescriptor_v2) LACKS(cuCtxAttach)
LACKS(cuCtxCreate_v4) LACKS(cuCtxDetach) LACKS(cuCtxDisablePeerAccess)
LACKS(cuCtxEnablePeerAccess) LACKS(cuCtxGetCacheConfig) LACKS(cuCtxGetLimit)
LACKS(cuCtxGetSharedMemConfig) LACKS(cuCtxSetCacheConfig) LACKS(cuCtxSetLimit)
LACKS(cuCtxSetSharedMemConfig) LACKS(cuDeviceGetByPCIBusId) LACKS(cuDeviceGetPCIBusId)
LACKS(cuFuncGetAttribute) LACKS(cuFuncSetAttribute) LACKS(cuFuncSetBlockShape)
LACKS(cuFuncSetCacheConfig) LACKS(cuFuncSetSharedSize) LACKS(cuIpcCloseMemHandle)
LACKS(cuIpcGetEventHandle) LACKS(cuIpcGetMemHandle) LACKS(cuIpcOpenEventHandle)
LACKS(cuIpcOpenMemHandle_v2) LACKS(cuLaunch) LACKS(cuLaunchGrid)
LACKS(cuLaunchGridAsync) LACKS(cuLaunchKernel) LACKS(cuLinkAddData_v2)
LACKS(cuLinkAddFile_v2) LACKS(cuLinkComplete) LACKS(cuLinkCreate_v2)
LACKS(cuLinkDestroy) LACKS(cuMemAllocManaged) LACKS(cuMemAllocPitch_v2)
LACKS(cuMemGetAddressRange_v2) LACKS(cuMemHostGetDevicePointer_v2) LACKS(cuMemHostGetFlags)
LACKS(cuMemHostRegister_v2) LACKS(cuMemHostUnregister) LACKS(cuMemcpy2DAsync_v2)
LACKS(cuMemcpy2DUnaligned_v2) LACKS(cuMemcpy2D_v2) LACKS(cuMemcpy3DAsync_v2)
LACKS(cuMemcpy3DPeer) LACKS(cuMemcpy3DPeerAsync) LACKS(cuMemcpy3D_v2)
LACKS(cuMemcpyAtoA_v2) LACKS(cuMemcpyAtoD_v2) LACKS(cuMemcpyAtoH_v2)
LACKS(cuMemcpyDtoA_v2) LACKS(cuMemcpyDtoDAsync_v2) LACKS(cuMemcpyHtoA_v2)
LACKS(cuMemcpyPeer) LACKS(cuMemcpyPeerAsync) LACKS(cuMemsetD16Async)
LACKS(cuMemsetD16_v2) LACKS(cuMemsetD2D16Async) LACKS(cuMemsetD2D16_v2)
LACKS(cuMemsetD2D32Async) LACKS(cuMemsetD2D32_v2) LACKS(cuMemsetD2D8Async)
LACKS(cuMemsetD2D8_v2) LACKS(cuMemsetD32Async) LACKS(cuMemsetD32_v2)
LACKS(cuMemsetD8Async) LACKS(cuMemsetD8_v2) LACKS(cuModuleGetFunction)
LACKS(cuModuleGetGlobal_v2) LACKS(cuModuleGetSurfRef) LACKS(cuModuleGetTexRef)
LACKS(cuModuleLoad) LACKS(cuModuleLoadData) LACKS(cuModuleLoadDataEx)
LACKS(cuModuleUnload) LACKS(cuParamSetSize) LACKS(cuParamSetTexRef)
LACKS(cuParamSetf) LACKS(cuParamSeti) LACKS(cuParamSetv)
LACKS(cuProfilerInitialize) LACKS(cuProfilerStart) LACKS(cuProfilerStop)
LACKS(cuStreamAttachMemAsync) LACKS(cuSurfRefGetArray) LACKS(cuSurfRefSetArray)
LACKS(cuTexRefCreate) LACKS(cuTexRefDestroy) LACKS(cuTexRefGetAddressMode)
LACKS(cuTexRefGetAddress_v2) LACKS(cuTexRefGetArray) LACKS(cuTexRefGetFilterMode)
LACKS(cuTexRefGetFlags) LACKS(cuTexRefGetFormat) LACKS(cuTexRefSetAddress2D_v3)
LACKS(cuTexRefSetAddressMode) LACKS(cuTexRefSetAddress_v2) LACKS(cuTexRefSetArray)
LACKS(cuTexRefSetFilterMode) LACKS(cuTexRefSetFlags) LACKS(cuTexRefSetFormat)

