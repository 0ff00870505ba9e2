// SQS for tests and benchmarks, on a port of 127.0.0.1. Prints `listening on ADDRESS` and ends when its
// standard input does, so that it never outlives who started it.
//
//   node server.mjs [--port NUMBER] [--data FOLDER]
//
// Without a port it takes a free one; with a folder it finds there what it had when it was stopped.
import net from 'node:net';
import { parseArgs } from 'node:util';
import { startFauxqs } from 'fauxqs';

// It listens on all addresses, whatever it is told: its `host` is for the URLs of queues only.
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (options, ...rest) {
  const own = typeof options === 'object' && options !== null && 'port' in options;
  return listen.call(this, own ? { ...options, host: '127.0.0.1' } : options, ...rest);
};

const { values } = parseArgs({
  options: { port: { type: 'string', default: '0' }, data: { type: 'string' } },
});
const server = await startFauxqs({
  host: '127.0.0.1',
  port: Number(values.port),
  logger: false,
  ...(values.data === undefined ? {} : { dataDir: values.data }),
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
console.log(`listening on 127.0.0.1:${server.port}`);
