// What the rows of node_client.mjs stand on: connections of the official client, and ways to spoil what it sends.

import crypto from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';

export const config = JSON.parse(fs.readFileSync(process.argv[2]));
const require = createRequire(`${config.modules}/package.json`);
export const grpc = require('@grpc/grpc-js');
export const fabric = require('@hyperledger/fabric-gateway');
export const protos = require('@hyperledger/fabric-protos');

const { common, gateway, ledger, orderer, peer } = protos;
const TLS_ROOTS = fs.readFileSync(config.tls.roots);
const CREDENTIALS = grpc.credentials.createSsl(
    TLS_ROOTS,
    config.tls.key ? fs.readFileSync(config.tls.key) : null,
    config.tls.certificate ? fs.readFileSync(config.tls.certificate) : null,
);
const MESSAGES = { 'grpc.max_receive_message_length': -1 };
export const client = new grpc.Client(config.endpoint, CREDENTIALS, MESSAGES);

const TLS_HASH = config.tls.certificate
    ? sha256(new crypto.X509Certificate(fs.readFileSync(config.tls.certificate)).raw) : undefined;

export const text = (bytes) => Buffer.from(bytes ?? []).toString();

export function sha256(...parts) {
    return crypto.createHash('sha256').update(Buffer.concat(parts)).digest();
}

export function user(name) {
    const { msp, certificate, key } = config.users[name];
    return {
        mspId: msp,
        credentials: fs.readFileSync(certificate),
        key: crypto.createPrivateKey(fs.readFileSync(key)),
    };
}

export function signerOf(name) {
    return fabric.signers.newPrivateKeySigner(user(name).key);
}

// Deadlines, so that a row that goes wrong ends.
const soon = (seconds) => () => ({ deadline: Date.now() + seconds * 1000 });

export function connect(name, changes = {}) {
    const identity = user(name);
    return fabric.connect({
        client,
        identity,
        signer: fabric.signers.newPrivateKeySigner(identity.key),
        hash: identity.key.asymmetricKeyType === 'ed25519' ? fabric.hash.none : fabric.hash.sha256,
        evaluateOptions: soon(30),
        endorseOptions: soon(30),
        submitOptions: soon(30),
        commitStatusOptions: soon(30),
        tlsClientCertificateHash: TLS_HASH,
        ...changes,
    });
}

export const networkOf = (name, changes) => connect(name, changes).getNetwork(config.channel);
export const contractOf = (name, changes) => networkOf(name, changes).getContract(config.chaincode);

// DER (X.690), as much of it as block headers and signatures need.

export function element(tag, content) {
    if (content.length < 0x80) return Buffer.concat([Buffer.from([tag, content.length]), content]);
    const digits = content.length.toString(16);
    const length = Buffer.from(digits.length % 2 ? `0${digits}` : digits, 'hex');
    return Buffer.concat([Buffer.from([tag, 0x80 | length.length]), length, content]);
}

export function integer(value) {
    const digits = value.toString(16);
    const bytes = Buffer.from(digits.length % 2 ? `0${digits}` : digits, 'hex');
    return element(2, bytes[0] & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

export function headerBytes(block) {
    const header = block.getHeader();
    return element(0x30, Buffer.concat([
        integer(BigInt(header.getNumber())),
        element(4, Buffer.from(header.getPreviousHash_asU8())),
        element(4, Buffer.from(header.getDataHash_asU8())),
    ]));
}

const P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551n;

// Returns a signer whose signatures have s in the upper half of the order; mathematically they are as good.
export function highSigner(name) {
    const low = signerOf(name);
    return async (digest) => {
        const signature = Buffer.from(await low(digest));
        const length = signature[3];
        const r = BigInt(`0x${signature.subarray(4, 4 + length).toString('hex')}`);
        const s = BigInt(`0x${signature.subarray(6 + length).toString('hex')}`);
        return element(0x30, Buffer.concat([integer(r), integer(P256_ORDER - s)]));
    };
}

// Proposals and transactions, changed and then signed by whom they belong to.

export async function spoiledProposal(name, spoil, call = ['set', 'spoiled', '1'], who = name) {
    const link = connect(name);
    const [transaction, ...args] = call;
    const made = link.getNetwork(config.channel).getContract(config.chaincode)
        .newProposal(transaction, { arguments: args });
    const proposed = gateway.ProposedTransaction.deserializeBinary(made.getBytes());
    const proposal = peer.Proposal.deserializeBinary(proposed.getProposal().getProposalBytes_asU8());
    const header = common.Header.deserializeBinary(proposal.getHeader_asU8());
    const channel = common.ChannelHeader.deserializeBinary(header.getChannelHeader_asU8());
    spoil(channel, proposed);
    header.setChannelHeader(channel.serializeBinary());
    proposal.setHeader(header.serializeBinary());
    const bytes = proposal.serializeBinary();
    proposed.getProposal().setProposalBytes(bytes);
    const signature = await signerOf(who)(sha256(bytes));
    return link.newSignedProposal(proposed.serializeBinary(), signature);
}

export async function endorsed(name, call, options = {}) {
    const [transaction, ...args] = call;
    return contractOf(name).newProposal(transaction, { arguments: args, ...options }).endorse();
}

// Submits an endorsed transaction after a change to its one action; returns how it was committed.
export async function submitSpoiled(name, transaction, spoil) {
    const prepared = gateway.PreparedTransaction.deserializeBinary(transaction.getBytes());
    const envelope = prepared.getEnvelope();
    const payload = common.Payload.deserializeBinary(envelope.getPayload_asU8());
    const whole = peer.Transaction.deserializeBinary(payload.getData_asU8());
    const [action] = whole.getActionsList();
    const content = peer.ChaincodeActionPayload.deserializeBinary(action.getPayload_asU8());
    spoil(content);
    action.setPayload(content.serializeBinary());
    payload.setData(whole.serializeBinary());
    envelope.setPayload(payload.serializeBinary());
    return submitBytes(name, prepared);
}

export async function submitBytes(name, prepared, sign = signerOf(name)) {
    const signature = await sign(sha256(Buffer.from(prepared.getEnvelope().getPayload_asU8())));
    const commit = await connect(name).newSignedTransaction(prepared.serializeBinary(), signature).submit();
    return commit.getStatus();
}

// Changes the first value that an endorsed transaction writes.
export function changeWrite(content) {
    const { rwset } = ledger;
    const response = peer.ProposalResponsePayload.deserializeBinary(
        content.getAction().getProposalResponsePayload_asU8(),
    );
    const action = peer.ChaincodeAction.deserializeBinary(response.getExtension_asU8());
    const results = rwset.TxReadWriteSet.deserializeBinary(action.getResults_asU8());
    const written = results.getNsRwsetList().find((one) => one.getNamespace() === config.chaincode);
    const set = rwset.kvrwset.KVRWSet.deserializeBinary(written.getRwset_asU8());
    set.getWritesList()[0].setValue(Buffer.from('other'));
    written.setRwset(set.serializeBinary());
    action.setResults(results.serializeBinary());
    response.setExtension$(action.serializeBinary());
    content.getAction().setProposalResponsePayload(response.serializeBinary());
}

export const specified = (number) => new orderer.SeekPosition().setSpecified(
    new orderer.SeekSpecified().setNumber(number),
);
export const newest = () => new orderer.SeekPosition().setNewest(new orderer.SeekNewest());

// Asks for blocks below the client's interface; returns blocks and the status that ends them.
export function deliver(name, start, stop, changes = {}) {
    const { channel = config.channel, waits = false, method = 'Deliver', ...header } = changes;
    const seek = new orderer.SeekInfo().setStart(start).setStop(stop);
    seek.setBehavior(orderer.SeekInfo.SeekBehavior[waits ? 'BLOCK_UNTIL_READY' : 'FAIL_IF_NOT_READY']);
    return deliverBytes(name, seek.serializeBinary(), method, { channel, time: new Date(), hash: TLS_HASH, ...header });
}

async function deliverBytes(name, data, method, { channel, time, hash }) {
    const { mspId, credentials } = user(name);
    const creator = new protos.msp.SerializedIdentity().setMspid(mspId).setIdBytes(credentials).serializeBinary();
    const about = new common.ChannelHeader().setType(common.HeaderType.DELIVER_SEEK_INFO).setChannelId(channel);
    const { Timestamp } = require('google-protobuf/google/protobuf/timestamp_pb.js');
    if (time) about.setTimestamp(Timestamp.fromDate(time));
    if (hash) about.setTlsCertHash(hash);
    const signature = new common.SignatureHeader().setCreator(creator).setNonce(crypto.randomBytes(24));
    const header = new common.Header().setChannelHeader(about.serializeBinary());
    header.setSignatureHeader(signature.serializeBinary());
    const payload = new common.Payload().setHeader(header).setData(data).serializeBinary();
    const envelope = new common.Envelope().setPayload(payload).setSignature(await signerOf(name)(sha256(payload)));
    const call = client.makeBidiStreamRequest(
        `/protos.Deliver/${method}`,
        (message) => Buffer.from(message.serializeBinary()),
        (bytes) => peer.DeliverResponse.deserializeBinary(bytes),
        new grpc.Metadata(),
        { deadline: Date.now() + 30_000 },
    );
    call.write(envelope);
    const blocks = [];
    try {
        for await (const response of call) {
            if (!response.hasBlock() && !response.hasFilteredBlock()) return { blocks, status: response.getStatus() };
            blocks.push(response.getBlock() ?? response.getFilteredBlock());
        }
    } finally {
        call.on('error', () => {});
        call.cancel();
    }
    return { blocks, status: null };
}

// Rows.

const rows = [];

export function row(name, run) {
    rows.push([name, run]);
}

export function expect(condition, told) {
    if (!condition) throw new Error(`expected otherwise: ${told}`);
    return told;
}

export const describe = (error) =>
    `${error.constructor.name} ${grpc.status[error.code] ?? error.code} ${error.message}`
    + ` details ${JSON.stringify(error.details)}`;

// Expects a failure of a kind and code, with a sentence in the message and one in the first detail.
export async function refused(run, kind, code, message = '', detail = '') {
    let error;
    try {
        await run();
    } catch (caught) {
        error = caught;
    }
    expect(error !== undefined, 'it was not refused');
    const told = describe(error);
    expect(error instanceof kind && error.code === grpc.status[code] && error.message.includes(message), told);
    if (detail) expect(error.details?.some((one) => one.message.includes(detail) && one.mspId && one.address), told);
    else if (detail === null) expect(!error.details?.length, told);
    return told;
}

export async function runRows() {
    let failed = 0;
    for (const [name, run] of rows) {
        let [ok, told] = [true, ''];
        try {
            told = String((await run()) ?? '');
        } catch (error) {
            [ok, told] = [false, `${describe(error)} ${error.stack}`];
            failed += 1;
        }
        console.log(JSON.stringify({ row: name, ok, told: told.slice(0, 2000) }));
    }
    process.exit(failed ? 1 : 0);
}
