// Compiles WGSL with Tint in a process of Dawn (npm `webgpu`) that needs no GPU, on a device with WebGPU's default limits:
//   node tint.mjs NODE_MODULES LIST
// LIST has a path a line. Prints a line a file: OK or BAD, path, milliseconds, what the compiler or the pipeline said.
import fs from "node:fs";
import { createRequire } from "node:module";

const [modules, listed] = process.argv.slice(2);
const { create } = createRequire(modules + "/")("webgpu");
// Kept by name: Dawn falls over when this is collected as garbage while its device lives.
const gpu = create(["backend=null"]);
const adapter = await gpu.requestAdapter();
const features = ["shader-f16", "subgroups"].filter((feature) => adapter.features.has(feature));
// No required limits: those that WebGPU guarantees.
const device = await adapter.requestDevice({ requiredFeatures: features });

async function refusal(code) {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const messages = (await module.getCompilationInfo()).messages.filter((message) => message.type === "error");
  const error = await device.popErrorScope();
  if (messages.length) return messages.map((m) => `${m.lineNum}:${m.linePos} ${m.message}`).join(" | ");
  if (error) return error.message;
  device.pushErrorScope("validation");
  device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
  return (await device.popErrorScope())?.message;
}

const paths = fs.readFileSync(listed, "utf8").split("\n").filter(Boolean);
let out = "";
for (const path of paths) {
  const start = performance.now();
  const message = await refusal(fs.readFileSync(path, "utf8")).catch((error) => String(error));
  const time = Math.round(performance.now() - start);
  out += `${message ? "BAD" : "OK"}\t${path}\t${time}\t${(message ?? "").replace(/\s+/g, " ").slice(0, 400)}\n`;
}
fs.writeSync(1, out);
void gpu;
// Dawn's threads outlive the last line otherwise.
process.kill(process.pid, "SIGKILL");
