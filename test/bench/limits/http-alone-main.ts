/** A server that does nothing but answer: what node:http leaves for everything else. */
import { createServer } from 'node:http';

const BODY = JSON.stringify({ access_token: 'a'.repeat(600), token_type: 'Bearer', expires_in: 300 });

createServer((_request, response) => {
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Content-Length', BODY.length);
  response.end(BODY);
}).listen(Number(process.argv[2]), '127.0.0.1');
