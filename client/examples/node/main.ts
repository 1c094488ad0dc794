// Sends the messages of its standard input, a line each: id, account, number and text, with tabs between them. The
// server is at CREDITGATE_TARGET, else at 127.0.0.1:50051.

import { createInterface } from "node:readline";

import { connect, errorInfo } from "./calls.js";
import { deliver, NotCommitted } from "./worker.js";

const gate = connect(process.env["CREDITGATE_TARGET"] ?? "127.0.0.1:50051");

for await (const line of createInterface({ input: process.stdin })) {
  const [id = "", account = "", number = "", ...text] = line.split("\t");
  try {
    console.log(id, await deliver(gate, send, { id, account, number, text: text.join("\t") }));
  } catch (failure) {
    const info = errorInfo(failure instanceof NotCommitted ? failure.cause : failure);
    console.error(id, String(failure), info?.reason ?? "", JSON.stringify(info?.metadata ?? {}));
    process.exitCode = 1;
  }
}

/** Stands for the carrier. No country has the prefix 999, so nothing can be sent there. */
async function send(number: string, text: string): Promise<void> {
  if (number.startsWith("+999")) {
    throw new Error("no such number");
  }
  console.log(`to the carrier: ${number}: ${text}`);
}
