import { pino } from 'pino';
import { loadConfig } from '#src/config/load.ts';
import { openServices } from '#src/services.ts';
import { startServer } from '#src/server.ts';
import { systemClock as clock } from '#src/clock.ts';
import { systemRandom as random } from '#src/random.ts';
import { Secret } from '#src/secret.ts';
import { parseUsername } from '#src/accounts/username.ts';
const t0 = performance.now();
const config = loadConfig({});
const services = await openServices(config, { clock, random });
const server = await startServer(services, { clock, random, log: pino({level:'info'}) });
console.log('up', performance.now() - t0);
if (services.store.created) {
const { client, secret } = await services.clients.add({ name: 'web', redirectUris: ['http://127.0.0.1:4000/cb'], grantTypes: ['authorization_code', 'refresh_token', 'client_credentials'], scope: 'openid profile email offline_access read' });
const rs = await services.resources.add({ identifier: 'https://api.example.com', scope: ['read', 'write'] });
console.log(JSON.stringify({ client: client.clientId, secret: secret?.reveal(), rs: rs.resourceServer.clientId, rss: rs.secret.reveal() }));
}
process.on('SIGTERM', async () => { await server[Symbol.asyncDispose](); await services[Symbol.asyncDispose](); });
