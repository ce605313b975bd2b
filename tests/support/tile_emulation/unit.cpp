// The tile unit (AMX) for processors without one: its instructions trap as illegal ones, and are carried out here.
//
// Encodings and meaning: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2. What the unit would
// refuse (a tile that is not configured, one named twice in a dot, reserved bytes that are set) stays illegal.
#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <cstdint>
#include <cstring>

namespace {

constexpr int kTiles = 8, kRows = 16, kBytes = 64;

struct Unit {
  bool configured;
  uint8_t tiles[kTiles][kRows][kBytes];
};
thread_local Unit unit;
std::atomic<uint64_t> dots;
struct sigaction before;

const int kRegisters[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                          REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

// An instruction with a VEX prefix of three bytes in the map 0F 38.
struct Instruction {
  uint8_t opcode, prefix, first, second, third;  // prefix: 0 none, 1 66, 2 F3, 3 F2; operands that are registers
  bool is_memory, has_index;
  uint64_t base, index;
  int length;
};

bool decode(const uint8_t *code, const greg_t *registers, Instruction *found) {
  if (code[0] != 0xC4 || (code[1] & 0x1F) != 2 || (code[2] & 0x84) != 0) return false;
  const int r = ~code[1] >> 4 & 8, x = ~code[1] >> 3 & 8, b = ~code[1] >> 2 & 8;
  const int mode = code[4] >> 6, low = code[4] & 7;
  *found = {code[3], uint8_t(code[2] & 3), uint8_t((code[4] >> 3 & 7) | r), uint8_t(low | b),
            uint8_t(~code[2] >> 3 & 15), mode != 3, false, 0, 0, 5};
  if (mode == 3) return found->first < kTiles && found->second < kTiles;
  int base = low | b;
  if (low == 4) {
    const uint8_t scaled = code[found->length++];
    const int index = (scaled >> 3 & 7) | x;
    base = (scaled & 7) | b;
    found->has_index = index != 4;
    if (found->has_index) found->index = uint64_t(registers[kRegisters[index]]) << (scaled >> 6);
  }
  if (mode == 0 && (base & 7) == 5) return false;  // relative to the instruction, or to nothing
  int32_t distance = 0;
  if (mode == 1) distance = int8_t(code[found->length]);
  if (mode == 2) std::memcpy(&distance, code + found->length, 4);
  found->length += mode == 1 ? 1 : mode == 2 ? 4 : 0;
  found->base = uint64_t(registers[kRegisters[base]]) + int64_t(distance);
  return found->first < kTiles;
}

bool configure(const uint8_t *layout) {
  uint8_t full[64] = {1};
  for (int tile = 0; tile < kTiles; ++tile) full[16 + 2 * tile] = kBytes, full[48 + tile] = kRows;
  if (std::memcmp(layout, full, sizeof full) != 0) return false;  // all that kernels here ask for
  std::memset(&unit, 0, sizeof unit);
  return unit.configured = true;
}

float widened(uint16_t bits) {
  const uint32_t wide = (bits & 0x7F80) != 0 ? uint32_t(bits) << 16 : uint32_t(bits & 0x8000) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

void dot(int total, int left, int right) {
  float pairs[kRows][2 * kRows], sums[kRows];
  for (int k = 0; k < kRows; ++k)
    for (int n = 0; n < 2 * kRows; ++n) {
      uint16_t bits;
      std::memcpy(&bits, unit.tiles[right][k] + 2 * n, 2);
      pairs[k][n] = widened(bits);
    }
  for (int m = 0; m < kRows; ++m) {
    uint16_t row[2 * kRows];
    std::memcpy(row, unit.tiles[left][m], kBytes);
    std::memcpy(sums, unit.tiles[total][m], kBytes);
    float odd[kRows] = {}, even[kRows] = {};
    for (int k = 0; k < kRows; ++k) {
      const float a = widened(row[2 * k]), b = widened(row[2 * k + 1]);
      for (int n = 0; n < kRows; ++n) even[n] += a * pairs[k][2 * n], odd[n] += b * pairs[k][2 * n + 1];
    }
    for (int n = 0; n < kRows; ++n) sums[n] += even[n] + odd[n];
    std::memcpy(unit.tiles[total][m], sums, kBytes);
  }
  ++dots;
}

void *memory(const Instruction &i, int row) { return reinterpret_cast<void *>(i.base + row * i.index); }

bool carry_out(const Instruction &i) {
  if (i.opcode == 0x49 && i.prefix == 0 && i.is_memory) return configure(static_cast<uint8_t *>(memory(i, 1)));
  if (!unit.configured) return false;
  auto &tile = unit.tiles[i.first];
  if (i.opcode == 0x49 && i.prefix == 0) {
    unit.configured = false;
  } else if (i.opcode == 0x49 && i.prefix == 3 && !i.is_memory) {
    std::memset(tile, 0, sizeof tile);
  } else if (i.opcode == 0x4B && i.prefix == 3 && i.has_index) {
    for (int row = 0; row < kRows; ++row) std::memcpy(tile[row], memory(i, row), kBytes);
  } else if (i.opcode == 0x4B && i.prefix == 2 && i.has_index) {
    for (int row = 0; row < kRows; ++row) std::memcpy(memory(i, row), tile[row], kBytes);
  } else if (i.opcode == 0x5C && i.prefix == 2 && !i.is_memory) {
    if (i.third >= kTiles || i.first == i.second || i.second == i.third || i.first == i.third) return false;
    dot(i.first, i.second, i.third);
  } else {
    return false;
  }
  return true;
}

void trapped(int, siginfo_t *, void *context) {
  greg_t *registers = static_cast<ucontext_t *>(context)->uc_mcontext.gregs;
  Instruction found;
  if (decode(reinterpret_cast<const uint8_t *>(registers[REG_RIP]), registers, &found) && carry_out(found))
    registers[REG_RIP] += found.length;
  else
    sigaction(SIGILL, &before, nullptr);  // whose it is then: the instruction is tried again
}

}  // namespace

extern "C" {
void install() {
  struct sigaction action = {};
  action.sa_sigaction = trapped;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, &before);
}
void restore() { sigaction(SIGILL, &before, nullptr); }
uint64_t dots_done() { return dots; }
}
