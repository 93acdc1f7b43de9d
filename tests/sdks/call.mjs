// Runs methods of @authsignal/node: one JSON array [name, argument] a line in, one JSON answer a line out.
import {createInterface} from "node:readline";
import {Authsignal} from "@authsignal/node";

const [apiUrl, apiSecretKey] = process.argv.slice(2);
const authsignal = new Authsignal({apiUrl, apiSecretKey});
const webhook = {constructEvent: ({payload, signature}) => authsignal.webhook.constructEvent(payload, signature)};

for await (const line of createInterface({input: process.stdin})) {
  const [name, argument] = JSON.parse(line);
  let answer;
  try {
    const result = await (name in webhook ? webhook : authsignal)[name](argument);
    answer = {result: result ?? null};
  } catch ({statusCode, errorCode, errorDescription, message}) {
    answer = {error: {statusCode, errorCode, errorDescription, message}};
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
