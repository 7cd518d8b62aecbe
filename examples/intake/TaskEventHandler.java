/*
 * A sketch of an OIG event handler that tells provtaskd of a provisioning task that was rejected. It is not
 * compiled with this project and was not run in an OIG server: package, interface and registration depend on
 * your version (see "Developing Event Handlers" in Oracle's documentation).
 *
 * What matters here: the event is sent after the transaction (else the task may not be readable yet), never in
 * the thread that provisions, with short time-outs, and a failure is logged and forgotten: provtaskd reads its list
 * anyway. Nothing but the id of the task is sent.
 */
package example.provtaskd;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.UUID;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public final class TaskEventHandler {
    private static final Logger LOG = Logger.getLogger(TaskEventHandler.class.getName());
    private static final URI URL = URI.create(System.getProperty("provtaskd.url", "http://127.0.0.1:9465/v1/tasks"));
    private static final Path SECRET = Path.of(System.getProperty("provtaskd.secret", "/etc/oig/provtaskd-secret"));

    private static final HttpClient HTTP = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .connectTimeout(Duration.ofSeconds(2))
            .build();

    // bounded: when provtaskd is away, events are dropped, and OIG goes on
    private static final ThreadPoolExecutor SENDER = new ThreadPoolExecutor(
            1, 1, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(1000), new ThreadPoolExecutor.DiscardPolicy());

    /** To be called by the handler of your version once the task's transaction is through. */
    public static void taskRejected(long taskKey) {
        SENDER.execute(() -> send(taskKey));
    }

    private static void send(long taskKey) {
        String id = "oig_" + UUID.randomUUID();
        // bytes, not a stream: the length has to be known (no Transfer-Encoding)
        byte[] body = ("{\"tasks\":[\"" + taskKey + "\"]}").getBytes(StandardCharsets.UTF_8);
        try {
            for (int attempt = 1; attempt <= 3; attempt++) {
                long at = Instant.now().getEpochSecond();
                HttpRequest request = HttpRequest.newBuilder(URL)
                        .timeout(Duration.ofSeconds(5))
                        .header("Content-Type", "application/json")
                        .header("webhook-id", id)
                        .header("webhook-timestamp", Long.toString(at))
                        .header("webhook-signature", "v1," + sign(id, at, body))
                        .POST(HttpRequest.BodyPublishers.ofByteArray(body))
                        .build();
                int status = HTTP.send(request, HttpResponse.BodyHandlers.ofString()).statusCode();
                if (status == 200 || status == 202) {
                    return;
                }
                if (status != 429 && status != 503) {
                    LOG.warning("provtaskd did not take the event of a task: HTTP " + status);
                    return;
                }
                TimeUnit.SECONDS.sleep(2L * attempt);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (Exception e) {
            LOG.log(Level.WARNING, "provtaskd could not be told of a task; its list will show it", e);
        }
    }

    private static String sign(String id, long at, byte[] body) throws Exception {
        // of two lines the first one is the new secret; read each time, so that a change needs no restart
        String line = Files.readAllLines(SECRET).get(0).trim();
        byte[] key = Base64.getDecoder().decode(line.substring("whsec_".length()));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + at + ".").getBytes(StandardCharsets.US_ASCII));
        return Base64.getEncoder().encodeToString(mac.doFinal(body));
    }

    private TaskEventHandler() {}
}
