import type { ProxyVerification } from '#src/config/certificate-format.ts';
import type { ProxyTrust } from '#src/config/network-format.ts';
import type { SettingRule } from '#src/config/setting-rule.ts';

type Path = string | null;

/** What must hold between the settings of TLS and of client certificates. */
export const CERTIFICATE_RULES: readonly SettingRule[] = [
  {
    settings: ['tls.certificate', 'tls.key'],
    holds: (certificate: Path, key: Path) => (certificate === null) === (key === null),
    rule: '`tls.certificate` and `tls.key` are set together',
    because: 'neither is of use alone',
  },
  {
    settings: ['issuer', 'tls.certificate'],
    holds: (issuer: string, certificate: Path) => certificate === null || issuer.startsWith('https:'),
    rule: '`issuer` is an https URL where `tls.certificate` is set',
    because: 'clients could not reach it under another scheme',
  },
  {
    settings: ['mutualTls.from', 'tls.certificate'],
    holds: (from: string, certificate: Path) => from !== 'connection' || certificate !== null,
    rule: '`mutualTls.from` is `connection` only where `tls.certificate` is set',
    because: 'a connection without TLS carries no certificate',
  },
  {
    settings: ['mutualTls.from', 'trustProxy'],
    holds: (from: string, { kind }: ProxyTrust) => from !== 'header' || kind === 'addresses',
    rule: '`mutualTls.from` is `header` only where `trustProxy` lists the addresses of the proxies',
    because: 'from anyone else the header would be forged',
  },
  {
    settings: ['tls.clientCa', 'mutualTls.from'],
    holds: (clientCa: Path, from: string) => clientCa === null || from === 'connection',
    rule: '`tls.clientCa` is set only where `mutualTls.from` is `connection`',
    because: 'a proxy verifies the certificates that it is shown by itself',
  },
  {
    settings: ['tls.mtlsPort', 'mutualTls.from'],
    holds: (mtlsPort: number | null, from: string) => mtlsPort === null || from === 'connection',
    rule: '`tls.mtlsPort` is set only where `mutualTls.from` is `connection`',
    because: 'nobody is asked for a certificate there otherwise',
  },
  {
    settings: ['tls.mtlsPort', 'port'],
    holds: (mtlsPort: number | null, port: number) => mtlsPort !== port,
    rule: '`tls.mtlsPort` is another port than `port`',
    because: 'one port either asks for certificates or does not',
  },
  {
    settings: ['mutualTls.origin', 'mutualTls.from'],
    holds: (origin: string | null, from: string) => origin === null || from !== 'off',
    rule: '`mutualTls.origin` is set only where `mutualTls.from` is not `off`',
    because: 'it would be published for nothing',
  },
  {
    settings: ['mutualTls.origin', 'issuer'],
    holds: (origin: string | null, issuer: string) => origin !== issuer,
    rule: '`mutualTls.origin` is another origin than `issuer`',
    because: 'an alias of an endpoint is not the endpoint itself',
  },
  {
    settings: ['mutualTls.headerVerified', 'mutualTls.from'],
    holds: ({ kind }: ProxyVerification, from: string) => kind === 'never' || from === 'header',
    rule: '`mutualTls.headerVerified` is set only where `mutualTls.from` is `header`',
    because: 'at its own TLS the server verifies by `tls.clientCa`',
  },
];
