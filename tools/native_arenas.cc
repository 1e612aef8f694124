// What TFLM itself takes for models that share an arena, or that have two: a referee for refinfer's figures.
//
//   native_arenas MODEL[:VARIABLES] ...
//
// loads the models in this order, an interpreter each on one MicroAllocator, VARIABLES resource variables before each
// where they are asked for. It prints JSON: the bytes in use after each model (non-persistent, persistent), and the
// smallest arenas in which all of them load and give the outputs that they give in large ones, without a word of
// complaint: where a kernel never looks at memory that it did not get (CONV_2D of floats and its multipliers), TFLM
// says so and goes on. A size is tried in a process of its own, since TFLM may write through null.
//
// Linked with TFLM's own library (make -f tensorflow/lite/micro/tools/make/Makefile microlite), or with its sources
// compiled with the same flags. tools/record_arenas.py runs it.

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#define private public  // the allocators tell the sum of both sections alone
#include "tensorflow/lite/micro/micro_allocator.h"
#undef private
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

constexpr size_t kLarge = 8 << 20;
constexpr size_t kAlignment = 16;

struct Tenant {
  std::string bytes;
  int variables;
};

struct Outcome {
  bool loads = false;
  std::string used;     // a JSON list
  std::string outputs;  // of two rounds, hashed
};

tflite::MicroMutableOpResolver<16> resolver;
std::vector<Tenant> tenants;

void Register() {
  resolver.AddAdd();
  resolver.AddAssignVariable();
  resolver.AddAveragePool2D();
  resolver.AddCallOnce();
  resolver.AddConcatenation();
  resolver.AddConv2D();
  resolver.AddDepthwiseConv2D();
  resolver.AddFullyConnected();
  resolver.AddMaxPool2D();
  resolver.AddMean();
  resolver.AddReadVariable();
  resolver.AddReshape();
  resolver.AddSoftmax();
  resolver.AddStridedSlice();
  resolver.AddUnidirectionalSequenceLSTM();
  resolver.AddVarHandle();
}

uint8_t* Arena(size_t size) {
  return static_cast<uint8_t*>(aligned_alloc(kAlignment, (size + kAlignment) / kAlignment * kAlignment));
}

tflite::MicroAllocator* OneArena(size_t size) { return tflite::MicroAllocator::Create(Arena(size), size); }

tflite::MicroAllocator* TwoArenas(size_t persistent, size_t other) {
  return tflite::MicroAllocator::Create(Arena(persistent), persistent, Arena(other), other);
}

std::string Read(const std::string& path) {
  FILE* file = fopen(path.c_str(), "rb");
  if (file == nullptr) exit(2);
  std::string bytes;
  char buffer[4096];
  while (size_t got = fread(buffer, 1, sizeof(buffer), file)) bytes.append(buffer, got);
  fclose(file);
  return bytes;
}

uint32_t Answer(tflite::MicroInterpreter& interpreter) {
  for (size_t i = 0; i < interpreter.inputs_size(); ++i) {
    TfLiteTensor* input = interpreter.input(i);
    const bool narrow = input->type == kTfLiteInt8 || input->type == kTfLiteUInt8;
    for (size_t k = 0; k < input->bytes; ++k) input->data.uint8[k] = narrow ? 37 * k + 11 : 0;
  }
  if (interpreter.Invoke() != kTfLiteOk) return 0;
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < interpreter.outputs_size(); ++i) {
    const TfLiteTensor* output = interpreter.output(i);
    for (size_t k = 0; k < output->bytes; ++k) hash = (hash ^ output->data.uint8[k]) * 16777619u;
  }
  return hash;
}

void Run(tflite::MicroAllocator* allocator, FILE* answer) {
  if (allocator == nullptr) return;
  std::vector<tflite::MicroInterpreter*> interpreters;
  std::string used, outputs;
  for (const Tenant& tenant : tenants) {
    auto* variables =
        tenant.variables > 0 ? tflite::MicroResourceVariables::Create(allocator, tenant.variables) : nullptr;
    const tflite::Model* model = tflite::GetModel(tenant.bytes.data());
    interpreters.push_back(new tflite::MicroInterpreter(model, resolver, allocator, variables));
    if (interpreters.back()->AllocateTensors() != kTfLiteOk) return;
    used += (used.empty() ? "[" : ", [") +
            std::to_string(allocator->non_persistent_buffer_allocator_->GetNonPersistentUsedBytes()) + ", " +
            std::to_string(allocator->persistent_buffer_allocator_->GetPersistentUsedBytes()) + "]";
  }
  for (int round = 0; round < 2; ++round) {
    for (tflite::MicroInterpreter* interpreter : interpreters) outputs += std::to_string(Answer(*interpreter)) + " ";
  }
  fprintf(answer, "[%s]\n%s\n", used.c_str(), outputs.c_str());
}

Outcome Try(const std::function<tflite::MicroAllocator*()>& create) {
  int ends[2];
  if (pipe(ends) != 0) exit(2);
  const pid_t child = fork();
  if (child == 0) {
    FILE* answer = fdopen(ends[1], "w");
    dup2(ends[1], STDERR_FILENO);  // where TFLM complains
    Run(create(), answer);
    fflush(answer);
    _exit(0);
  }
  close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; (got = read(ends[0], buffer, sizeof(buffer))) > 0;) text.append(buffer, got);
  close(ends[0]);
  int status;
  waitpid(child, &status, 0);
  const size_t line = text.find('\n');
  Outcome outcome;
  outcome.loads = WIFEXITED(status) && line != std::string::npos && text[0] == '[';
  if (outcome.loads) outcome.used = text.substr(0, line), outcome.outputs = text.substr(line + 1);
  return outcome;
}

// The smallest size that works: among multiples of 16 first, then every size in the four sixteens below.
size_t Smallest(const std::function<bool(size_t)>& works) {
  size_t low = 0, high = kLarge / kAlignment;
  while (high - low > 1) {
    const size_t middle = (low + high) / 2;
    (works(middle * kAlignment) ? high : low) = middle;
  }
  const size_t multiple = high * kAlignment;
  for (size_t size = multiple > 64 ? multiple - 64 : 0; size < multiple; ++size) {
    if (works(size)) return size;
  }
  return multiple;
}

int main(int count, char** arguments) {
  Register();
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const size_t colon = argument.rfind(':');
    const bool asked = colon != std::string::npos;
    tenants.push_back({Read(argument.substr(0, colon)), asked ? atoi(argument.c_str() + colon + 1) : 0});
  }
  const Outcome one = Try([] { return OneArena(kLarge); });
  const Outcome two = Try([] { return TwoArenas(kLarge, kLarge); });
  if (!one.loads || !two.loads || one.outputs != two.outputs) return 1;
  const auto same = [&](const Outcome& outcome) { return outcome.loads && outcome.outputs == one.outputs; };
  const size_t smallest = Smallest([&](size_t size) { return same(Try([&] { return OneArena(size); })); });
  const size_t persistent = Smallest([&](size_t size) { return same(Try([&] { return TwoArenas(size, kLarge); })); });
  const size_t other = Smallest([&](size_t size) { return same(Try([&] { return TwoArenas(kLarge, size); })); });
  printf("{\"one\": {\"used\": %s, \"minimum\": %zu}, ", one.used.c_str(), smallest);
  printf("\"two\": {\"used\": %s, \"persistent\": %zu, \"non_persistent\": %zu}}\n", two.used.c_str(), persistent, other);
}
