// The address of AWS IoT Core for MQTT over WebSocket, signed with Signature Version 4. It is valid for five minutes, for
// opening a connection; the connection lasts longer. `credentials` are those of the AWS SDK: accessKeyId,
// secretAccessKey, and sessionToken for temporary ones, which AWS IoT wants after the signature.
async function signedAddress(host, region, credentials, now = new Date()) {
  const time = now.toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${time.slice(0, 8)}/${region}/iotdevicegateway/aws4_request`;
  const query = [
    "X-Amz-Algorithm=AWS4-HMAC-SHA256",
    `X-Amz-Credential=${encodeURIComponent(`${credentials.accessKeyId}/${scope}`)}`,
    `X-Amz-Date=${time}`,
    "X-Amz-Expires=300",
    "X-Amz-SignedHeaders=host",
  ].join("&");
  const request = ["GET", "/mqtt", query, `host:${host}`, "", "host", hex(await sha256(""))].join("\n");
  const text = ["AWS4-HMAC-SHA256", time, scope, hex(await sha256(request))].join("\n");
  let key = new TextEncoder().encode(`AWS4${credentials.secretAccessKey}`);
  for (const part of [...scope.split("/"), text]) key = await hmac(key, part);
  const token = credentials.sessionToken;
  const last = token ? `&X-Amz-Security-Token=${encodeURIComponent(token)}` : "";
  return `wss://${host}/mqtt?${query}&X-Amz-Signature=${hex(key)}${last}`;
}

async function sha256(text) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

async function hmac(key, text) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(text)));
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
