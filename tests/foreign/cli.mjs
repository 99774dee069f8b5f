#!/usr/bin/env node
/**
 * The foreign client's command line: JSON on standard input, JSON on standard output. Keys come by standard
 * input alone.
 *
 *   vectors FILE   recompute every example of the vectors file (nothing on standard input)
 *   ticket         issue a ticket to a new rider key
 *   code           show a code of a ticket
 *   batch          build and sign a batch from rides, or sign one given as bytes
 *   settle         send a batch to the Clearinghouse
 *
 * An array of documents gives an array of answers.
 *
 * Exit status: 0 done; 1 refused (vectors: a disagreement; settle: the chain refused the whole batch);
 * 2 cannot work.
 */

import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { getBytes, hexlify } from "ethers";
import * as client from "./client.mjs";
import { checkVectors } from "./vectors.mjs";

const COMMANDS = { vectors, ticket, code, batch, settle };

async function vectors([file]) {
  if (!file) throw new client.ProtocolError("vectors: name the file");
  const report = await checkVectors(JSON.parse(await readFile(file, "utf8")));
  return [report.disagreements.length === 0 ? 0 : 1, report];
}

/** The named fields of what came on standard input. */
function need(input, ...names) {
  const missing = names.filter((name) => input?.[name] === undefined);
  if (missing.length > 0) throw new client.ProtocolError(`standard input: missing ${missing.join(", ")}`);
}

const DOMAIN = ["chainId", "clearinghouse"];
const TICKET = ["issuer", "keyId", "operator", "serial", "notAfter", "fareCap"];

/** {chainId, clearinghouse, issuerKey, issuer, keyId, operator, serial, notAfter, fareCap} */
async function ticket(_, input) {
  need(input, ...DOMAIN, "issuerKey", ...TICKET);
  const rider = await client.newRiderKey();
  const { issuer, keyId, operator, serial, notAfter, fareCap } = input;
  const fields = { issuer, keyId, operator, serial, notAfter, fareCap, riderKey: rider.publicKey };
  const issued = client.issueTicket(input, input.issuerKey, fields);
  return [
    0,
    {
      ticket: client.encodeTicket(issued),
      ticketHash: client.ticketHash(input, issued),
      rider: issued.rider,
      riderPrivateKey: rider.privateKey,
    },
  ];
}

/** {chainId, clearinghouse, ticket, riderPrivateKey, shownAt}; without a ticket, what `ticket` takes, to issue one. */
async function code(_, input) {
  need(input, ...DOMAIN, ...(input.ticket ? ["riderPrivateKey"] : ["issuerKey", ...TICKET]));
  const issued = input.ticket ? input : { ...input, ...(await ticket(_, input))[1] };
  const shownAt = input.shownAt ?? Math.floor(Date.now() / 1000);
  const parsed = client.decodeTicket(issued.ticket);
  const shown = client.encodeCode(await client.showCode(input, parsed, issued.riderPrivateKey, shownAt));
  return [
    0,
    {
      ticket: issued.ticket,
      ticketHash: client.ticketHash(input, parsed),
      riderPrivateKey: issued.riderPrivateKey,
      shownAt,
      code: shown,
      text: client.qrText(shown),
    },
  ];
}

/**
 * {chainId, clearinghouse, operator, submitterKey, rides}, each ride a {ticket, entryStation, exitStation,
 * enteredAt, exitedAt, fare}; with `batch` (bytes) in place of rides, that is signed as it is, well formed or not.
 */
async function batch(_, input) {
  need(input, ...DOMAIN, "operator", "submitterKey", ...(input.batch ? [] : ["rides"]));
  const toRide = (ride) => client.rideOf(client.decodeTicket(ride.ticket), ride);
  const bytes = input.batch ?? client.encodeBatch(input.operator, input.rides.map(toRide));
  return [
    0,
    {
      batch: bytes,
      batchId: client.batchId(bytes),
      signature: client.signBatch(input, input.submitterKey, input.operator, bytes),
    },
  ];
}

/** {chainId, clearinghouse, rpc, relayerKey, batch, signature} */
async function settle(_, input) {
  need(input, ...DOMAIN, "rpc", "relayerKey", "batch", "signature");
  try {
    return [0, await client.settle({ ...input, batch: getBytes(input.batch) })];
  } catch (error) {
    if (!(error instanceof client.BatchRefused)) throw error;
    return [1, { refused: true, error: error.error, data: error.data }];
  }
}

/** Bytes as 0x-hex; a bigint, an amount or a count from the chain, as a number. */
function plain(_, value) {
  if (value instanceof Uint8Array) return hexlify(value);
  return typeof value === "bigint" ? Number(value) : value;
}

async function main([name, ...args]) {
  const command = Object.hasOwn(COMMANDS, name ?? "") ? COMMANDS[name] : undefined;
  if (!command) {
    throw new client.ProtocolError(`expected a command of ${Object.keys(COMMANDS).join(", ")}; got ${name}`);
  }
  const input = command === vectors ? undefined : JSON.parse(await text(process.stdin));
  const documents = Array.isArray(input) ? input : [input];
  const outputs = [];
  for (const document of documents) {
    const [status, output] = await command(args, document);
    process.exitCode = Math.max(process.exitCode ?? 0, status);
    outputs.push(output);
  }
  console.log(JSON.stringify(Array.isArray(input) ? outputs : outputs[0], plain));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`foreign client: ${error.shortMessage ?? error.message}`);
  process.exitCode = 2;
});
