// The driver as far as TVM's CUDA part calls it. Kernels come from the library that EMULATED_KERNELS names.
#include <cuda.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <string>

using Launch = void (*)(void **, const unsigned *);

extern "C" {

CUresult cuModuleLoadData(CUmodule *module, const void *) {
  void *library = dlopen(std::getenv("EMULATED_KERNELS"), RTLD_NOW | RTLD_LOCAL);
  *module = static_cast<CUmodule>(library);
  return library == nullptr ? CUDA_ERROR_INVALID_IMAGE : CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule) { return CUDA_SUCCESS; }
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  void *found = dlsym(module, (std::string("launch_") + name).c_str());
  *function = static_cast<CUfunction>(found);
  return found == nullptr ? CUDA_ERROR_NOT_FOUND : CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) { return CUDA_SUCCESS; }
CUresult cuLaunchKernelEx(const CUlaunchConfig *c, CUfunction function, void **arguments, void **) {
  const unsigned sizes[] = {c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY, c->blockDimZ};
  for (unsigned each : sizes)
    if (each == 0) return CUDA_ERROR_INVALID_VALUE;
  if (sizes[1] > 65535 || sizes[2] > 65535 || sizes[3] * sizes[4] * sizes[5] > 1024) return CUDA_ERROR_INVALID_VALUE;
  reinterpret_cast<Launch>(function)(arguments, sizes);
  return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult, const char **text) { return *text = "emulated", CUDA_SUCCESS; }
CUresult cuGetErrorString(CUresult, const char **text) { return *text = "an emulated error", CUDA_SUCCESS; }
CUresult cuDeviceGetName(char *name, int size, CUdevice) { return std::strncpy(name, "emulated", size), CUDA_SUCCESS; }
CUresult cuTensorMapEncodeTiled(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *, const cuuint64_t *,
                                const cuuint64_t *, const cuuint32_t *, const cuuint32_t *, CUtensorMapInterleave,
                                CUtensorMapSwizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill) {
  return CUDA_ERROR_NOT_SUPPORTED;
}
}
