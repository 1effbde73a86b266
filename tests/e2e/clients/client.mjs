// The import job with Node's own https: the .p12 as it was issued, one kept connection.
import { readFileSync } from "node:fs";
import { Agent, request } from "node:https";

const { URL: gateway, AUTHORITY, PKCS12, PKCS12_PASSWORD, TLS, SENDER, READER } = process.env;
const agent = new Agent({
  keepAlive: true,
  ca: AUTHORITY && readFileSync(AUTHORITY),
  pfx: PKCS12 && readFileSync(PKCS12),
  passphrase: PKCS12_PASSWORD,
  minVersion: TLS,
  maxVersion: TLS,
});

function ask(method, path, auth, body) {
  return new Promise((resolve, reject) => {
    const headers = body ? { "Content-Type": "application/json", "Content-Length": body.length } : {};
    const asked = request(gateway + path, { method, agent, auth, headers }, (answer) => {
      const pieces = [];
      answer.on("data", (piece) => pieces.push(piece));
      answer.on("end", () => resolve({ status: answer.statusCode, text: Buffer.concat(pieces).toString() }));
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

const sent = await ask("POST", "/orders", SENDER, readFileSync(0));
console.log(sent.status, sent.text);
if (sent.status === 201) {
  const read = await ask("GET", `/orders/${JSON.parse(sent.text).id}`, READER);
  console.log(read.status, read.text);
}
agent.destroy();
