// Runs methods of @authsignal/node: one JSON array [name, argument] a line in, one JSON answer a line out.
import {createInterface} from "node:readline";
import {Authsignal, CallConnect} from "@authsignal/node";

const [apiUrl, apiSecretKey] = process.argv.slice(2);
const authsignal = new Authsignal({apiUrl, apiSecretKey});
// Call Connect has a host of its own at the service, without /v1.
const calls = new CallConnect({apiUrl: apiUrl.replace(/\/v1$/, ""), apiSecretKey});
const others = {
  constructEvent: ({payload, signature}) => authsignal.webhook.constructEvent(payload, signature),
  startCall: (request) => calls.startCall(request),
  finishCall: (request) => calls.finishCall(request),
};

for await (const line of createInterface({input: process.stdin})) {
  const [name, argument] = JSON.parse(line);
  let answer;
  try {
    const result = await (name in others ? others : authsignal)[name](argument);
    answer = {result: result ?? null};
  } catch ({statusCode, errorCode, errorDescription, message}) {
    answer = {error: {statusCode, errorCode, errorDescription, message}};
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
