/* A CUDA runtime, and driver, with devices that have memory and compute nothing. Loaded first (LD_PRELOAD), as
   libcuda.so.1, it stands in for both.

   Memory is address space without pages, of at most NULL_BYTES a device; there are NULL_GPUS of them. What is in
   use, by all processes, stands in the file NULL_LEDGER. Kernels are counted and not launched; copies of at most
   16 MiB are made. It has what libtorch_cuda asks of CUDA 13, and no more. */
#define _GNU_SOURCE
#include <driver_types.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DEVICES = 16, BLOCKS = 1 << 16, LARGE = 1 << 24, TO_DEVICE = 1, TO_HOST = 2, WITHIN = 3, ANY = 4 };
enum { OK = 0, OUT_OF_MEMORY = 2 };

typedef struct { int64_t used, peak, processes; } Device; /* bytes; processes that have ever taken some */
typedef struct { char *start; size_t size; int device; } Block;
typedef struct { unsigned x, y, z; } Grid;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Device alone[DEVICES], *devices = alone;
static int64_t mine[DEVICES];
static int known[DEVICES];
static Block blocks[BLOCKS];
static int count;
static __thread int current;

long null_kernels, null_to_device, null_to_host, null_waits; /* read by ctypes */

static int64_t bytes(void) { char *text = getenv("NULL_BYTES"); return text ? atoll(text) : 80LL << 30; }

__attribute__((constructor)) void null_open_ledger(void) { /* again by a process that was forked before it had one */
  char *path = getenv("NULL_LEDGER");
  int file = path ? open(path, O_RDWR | O_CREAT, 0666) : -1;
  if (file < 0 || ftruncate(file, sizeof alone)) return;
  void *shared = mmap(0, sizeof alone, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (shared != MAP_FAILED) devices = shared;
}

__attribute__((destructor)) static void give_back(void) {
  for (int i = 0; i < DEVICES; i++) __sync_fetch_and_sub(&devices[i].used, mine[i]);
}

/* Memory */

static int take(void **address, size_t size) {
  Device *device = &devices[current];
  int64_t used = __sync_add_and_fetch(&device->used, size);
  void *start = MAP_FAILED;
  if (used <= bytes() && count < BLOCKS)
    start = mmap(0, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (start == MAP_FAILED) {
    __sync_fetch_and_sub(&device->used, size);
    *address = 0;
    return OUT_OF_MEMORY;
  }
  for (int64_t peak = device->peak; used > peak && !__sync_bool_compare_and_swap(&device->peak, peak, used);)
    peak = device->peak;
  pthread_mutex_lock(&lock);
  if (!known[current]++) __sync_fetch_and_add(&device->processes, 1);
  mine[current] += size;
  blocks[count++] = (Block){start, size, current};
  pthread_mutex_unlock(&lock);
  *address = start;
  return OK;
}

static int let_go(void *address) {
  pthread_mutex_lock(&lock);
  for (int i = 0; address && i < count; i++)
    if (blocks[i].start == address) {
      munmap(address, blocks[i].size ? blocks[i].size : 1);
      __sync_fetch_and_sub(&devices[blocks[i].device].used, blocks[i].size);
      mine[blocks[i].device] -= blocks[i].size;
      blocks[i] = blocks[--count];
      break;
    }
  pthread_mutex_unlock(&lock);
  return OK;
}

static int device_of(const void *address) { /* -1: the host */
  int found = -1;
  pthread_mutex_lock(&lock);
  for (int i = 0; i < count && found < 0; i++)
    if ((char *)address >= blocks[i].start && (char *)address < blocks[i].start + blocks[i].size) found = blocks[i].device;
  pthread_mutex_unlock(&lock);
  return found;
}

static int copy(void *to, const void *from, size_t size, int kind) {
  if (kind == ANY) kind = device_of(to) >= 0 ? (device_of(from) >= 0 ? WITHIN : TO_DEVICE) : TO_HOST;
  if (kind == TO_DEVICE) __sync_fetch_and_add(&null_to_device, 1);
  if (kind == TO_HOST) __sync_fetch_and_add(&null_to_host, 1);
  if (size <= LARGE) memcpy(to, from, size);
  else if (kind == TO_HOST) memset(to, 0, size);
  return OK;
}

int cudaMalloc(void **address, size_t size) { return take(address, size); }
int cudaMallocAsync(void **address, size_t size, void *stream) { return take(address, size); }
int cudaFree(void *address) { return let_go(address); }
int cudaFreeAsync(void *address, void *stream) { return let_go(address); }
int cudaFreeHost(void *address) { free(address); return OK; }
int cudaHostAlloc(void **address, size_t size, unsigned flags) {
  *address = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
  return *address ? OK : OUT_OF_MEMORY;
}
int cudaMemGetInfo(size_t *free_bytes, size_t *total) {
  int64_t left = bytes() - devices[current].used;
  *free_bytes = left > 0 ? left : 0;
  *total = bytes();
  return OK;
}
int cudaMemcpy(void *to, const void *from, size_t size, int kind) { return copy(to, from, size, kind); }
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *stream) { return copy(to, from, size, kind); }
int cudaMemcpyPeerAsync(void *to, int there, const void *from, int here, size_t size, void *stream) {
  return copy(to, from, size, WITHIN);
}
int cudaMemset(void *address, int value, size_t size) { if (size <= LARGE) memset(address, value, size); return OK; }
int cudaMemsetAsync(void *address, int value, size_t size, void *stream) { return cudaMemset(address, value, size); }
int cudaPointerGetAttributes(struct cudaPointerAttributes *found, const void *address) {
  int device = device_of(address);
  memset(found, 0, sizeof *found);
  found->type = device < 0 ? cudaMemoryTypeUnregistered : cudaMemoryTypeDevice;
  found->device = device < 0 ? 0 : device;
  found->devicePointer = device < 0 ? 0 : (void *)address;
  return OK;
}

/* Devices: an H100 by its numbers */

int cudaGetDeviceCount(int *found) { char *text = getenv("NULL_GPUS"); *found = text ? atoi(text) : 1; return OK; }
int cudaGetDevice(int *device) { *device = current; return OK; }
int cudaSetDevice(int device) { current = device; return OK; }
int cudaDriverGetVersion(int *version) { *version = 13000; return OK; }
int cudaRuntimeGetVersion(int *version) { *version = 13000; return OK; }
int cudaDeviceGetStreamPriorityRange(int *least, int *most) { if (least) *least = 0; if (most) *most = -5; return OK; }
int cudaDeviceGetDefaultMemPool(void **pool, int device) { *pool = devices; return OK; }
int cudaDeviceGetPCIBusId(char *text, int size, int device) { strncpy(text, "0000:00:00.0", size); return OK; }
int cudaGetDeviceProperties(struct cudaDeviceProp *of, int device) {
  memset(of, 0, sizeof *of);
  strcpy(of->name, "null GPU");
  of->uuid.bytes[0] = 1 + device;
  of->totalGlobalMem = bytes();
  of->major = 9;
  of->warpSize = 32;
  of->multiProcessorCount = 132;
  of->maxThreadsPerBlock = of->maxThreadsDim[0] = of->maxThreadsDim[1] = 1024;
  of->maxThreadsDim[2] = 64;
  of->maxGridSize[0] = 2147483647;
  of->maxGridSize[1] = of->maxGridSize[2] = 65535;
  of->maxThreadsPerMultiProcessor = 2048;
  of->maxBlocksPerMultiProcessor = 32;
  of->regsPerBlock = of->regsPerMultiprocessor = 65536;
  of->sharedMemPerBlock = 49152;
  of->sharedMemPerBlockOptin = 232448;
  of->sharedMemPerMultiprocessor = 233472;
  of->l2CacheSize = 50 << 20;
  of->totalConstMem = 65536;
  of->textureAlignment = 512;
  of->concurrentKernels = of->unifiedAddressing = 1;
  return OK;
}
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: case cudaDevAttrMaxBlockDimX: case cudaDevAttrMaxBlockDimY: *value = 1024; break;
    case cudaDevAttrMaxBlockDimZ: *value = 64; break;
    case cudaDevAttrMaxGridDimX: *value = 2147483647; break;
    case cudaDevAttrMaxGridDimY: case cudaDevAttrMaxGridDimZ: *value = 65535; break;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = 49152; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = 232448; break;
    case cudaDevAttrWarpSize: *value = 32; break;
    case cudaDevAttrMultiProcessorCount: *value = 132; break;
    case cudaDevAttrMaxThreadsPerMultiProcessor: *value = 2048; break;
    case cudaDevAttrComputeCapabilityMajor: *value = 9; break;
    case cudaDevAttrComputeCapabilityMinor: *value = 0; break;
    default: *value = 1;
  }
  return OK;
}

/* Streams and events: all that is asked for has happened */

static int made(void **handle) { static uintptr_t last = 4096; *handle = (void *)__sync_add_and_fetch(&last, 64); return OK; }
static int waited(void) { __sync_fetch_and_add(&null_waits, 1); return OK; }
int cudaEventCreate(void **event) { return made(event); }
int cudaEventCreateWithFlags(void **event, unsigned flags) { return made(event); }
int cudaStreamCreate(void **stream) { return made(stream); }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) { return made(stream); }
int cudaStreamCreateWithPriority(void **stream, unsigned flags, int priority) { return made(stream); }
int cudaEventElapsedTime(float *milliseconds, void *begin, void *end) { *milliseconds = 1; return OK; }
int cudaEventSynchronize(void *event) { return waited(); }
int cudaStreamSynchronize(void *stream) { return waited(); }
int cudaDeviceSynchronize(void) { return waited(); }
int cudaStreamIsCapturing(void *stream, int *status) { *status = 0; return OK; }
int cudaStreamGetCaptureInfo(void *stream, int *status, unsigned long long *id) { *status = 0; if (id) *id = 0; return OK; }

/* Kernels */

static int launched(void) { __sync_fetch_and_add(&null_kernels, 1); return OK; }
int cudaLaunchKernel() { return launched(); }
int cudaLaunchKernelExC() { return launched(); }
int __cudaLaunchKernel() { return launched(); }
static __thread struct { Grid grid, block; size_t shared; void *stream; } call;
unsigned __cudaPushCallConfiguration(Grid grid, Grid block, size_t shared, void *stream) {
  call.grid = grid; call.block = block; call.shared = shared; call.stream = stream;
  return OK;
}
int __cudaPopCallConfiguration(Grid *grid, Grid *block, size_t *shared, void **stream) {
  *grid = call.grid; *block = call.block; *shared = call.shared; *stream = call.stream;
  return OK;
}
int __cudaGetKernel(const void **kernel, const void *function) { *kernel = function; return OK; }
void **__cudaRegisterFatBinary(void *binary) { static void *handle[1]; return handle; }
void __cudaRegisterFatBinaryEnd(void **handle) {}
void __cudaUnregisterFatBinary(void **handle) {}
void __cudaRegisterFunction() {}
void __cudaRegisterVar() {}
char __cudaInitModule(void **handle) { return 1; }
int cudaFuncGetAttributes(struct cudaFuncAttributes *of, const void *function) {
  memset(of, 0, sizeof *of);
  of->maxThreadsPerBlock = 1024;
  of->numRegs = 32;
  of->ptxVersion = of->binaryVersion = 90;
  of->maxDynamicSharedSizeBytes = 232448;
  return OK;
}
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks_, const void *f, int size, size_t s, unsigned flags) {
  *blocks_ = 8;
  return OK;
}
int cudaGetSymbolAddress(void **address, const void *symbol) { static char any[1 << 20]; *address = any; return OK; }
int cudaLibraryLoadData(void **library) { *library = devices; return OK; }
int cudaLibraryGetKernel(void **kernel, void *library, const char *name) { *kernel = (void *)name; return OK; }

/* The driver, of which torch takes single functions */

static int nothing(void) { return OK; }
static int is_active(int device, unsigned *flags, int *active) { if (flags) *flags = 0; if (active) *active = 1; return OK; }
int cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) { return is_active(device, flags, active); }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = devices; return OK; }
int cuCtxGetCurrent(void **context) { *context = devices; return OK; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { return cudaDeviceGetAttribute(value, attribute, device); }
int cuGetErrorString(int error, const char **text) { *text = "null GPU"; return OK; }
int cudaGetDriverEntryPointByVersion(const char *name, void **found, unsigned version, unsigned long long flags, int *result) {
  *found = strcmp(name, "cuDevicePrimaryCtxGetState") ? (void *)nothing : (void *)is_active;
  if (result) *result = 0;
  return OK;
}
const char *cudaGetErrorName(int error) { return error == OUT_OF_MEMORY ? "cudaErrorMemoryAllocation" : "cudaError"; }
const char *cudaGetErrorString(int error) { return error == OUT_OF_MEMORY ? "out of memory" : "null GPU"; }

#define DOES_NOTHING(name) int name() { return OK; }
DOES_NOTHING(cudaDeviceCanAccessPeer) DOES_NOTHING(cudaDeviceEnablePeerAccess) DOES_NOTHING(cudaDeviceGetGraphMemAttribute)
DOES_NOTHING(cudaDeviceSetGraphMemAttribute) DOES_NOTHING(cudaEventDestroy) DOES_NOTHING(cudaEventQuery)
DOES_NOTHING(cudaEventRecord) DOES_NOTHING(cudaEventRecordWithFlags) DOES_NOTHING(cudaFuncSetAttribute)
DOES_NOTHING(cudaGetLastError) DOES_NOTHING(cudaHostRegister) DOES_NOTHING(cudaHostUnregister)
DOES_NOTHING(cudaKernelSetAttributeForDevice) DOES_NOTHING(cudaLaunchHostFunc) DOES_NOTHING(cudaLibraryUnload)
DOES_NOTHING(cudaMemPoolGetAttribute) DOES_NOTHING(cudaMemPoolSetAccess) DOES_NOTHING(cudaMemPoolSetAttribute)
DOES_NOTHING(cudaMemPoolTrimTo) DOES_NOTHING(cudaMemcpy2DAsync) DOES_NOTHING(cudaMemcpyToSymbol)
DOES_NOTHING(cudaPeekAtLastError) DOES_NOTHING(cudaProfilerStart) DOES_NOTHING(cudaProfilerStop)
DOES_NOTHING(cudaStreamAddCallback) DOES_NOTHING(cudaStreamDestroy) DOES_NOTHING(cudaStreamGetPriority)
DOES_NOTHING(cudaStreamQuery) DOES_NOTHING(cudaStreamWaitEvent) DOES_NOTHING(cudaThreadExchangeStreamCaptureMode)
DOES_NOTHING(cuInit) DOES_NOTHING(cuCtxSetCurrent) DOES_NOTHING(cuFuncGetAttribute) DOES_NOTHING(cuFuncSetAttribute)
DOES_NOTHING(cuFuncSetCacheConfig) DOES_NOTHING(cuLaunchCooperativeKernel) DOES_NOTHING(cuLaunchKernel)
DOES_NOTHING(cuLaunchKernelEx) DOES_NOTHING(cuLinkAddData_v2) DOES_NOTHING(cuLinkComplete) DOES_NOTHING(cuLinkCreate_v2)
DOES_NOTHING(cuModuleGetFunction) DOES_NOTHING(cuModuleLoad) DOES_NOTHING(cuModuleLoadData)
DOES_NOTHING(cuModuleLoadDataEx) DOES_NOTHING(cuModuleUnload) DOES_NOTHING(cuPointerGetAttribute)
DOES_NOTHING(cuOccupancyMaxActiveBlocksPerMultiprocessor) DOES_NOTHING(cuTensorMapEncodeTiled)
