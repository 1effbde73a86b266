// The import job with Java's own HttpClient: the .p12 as key store, a trust store beside it, and the password only when asked for.
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.KeyStore;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

public class Client {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        URI orders = URI.create(given("URL") + "/orders");
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys(), trust(), null);
        HttpRequest send = HttpRequest.newBuilder(orders)
            .header("Content-Type", "application/json")
            .POST(BodyPublishers.ofByteArray(System.in.readAllBytes())).build();
        HttpResponse<String> sent = as("SENDER", context).send(send, BodyHandlers.ofString());
        out.println(sent.statusCode() + " " + sent.body());
        if (sent.statusCode() != 201) {
            return;
        }
        var number = Pattern.compile("\"id\": *([0-9]+)").matcher(sent.body());
        number.find();
        HttpRequest read = HttpRequest.newBuilder(URI.create(orders + "/" + number.group(1))).build();
        HttpResponse<String> seen = as("READER", context).send(read, BodyHandlers.ofString());
        out.println(seen.statusCode() + " " + seen.body());
    }

    private static String given(String name) {
        return System.getenv(name);
    }

    private static HttpClient as(String who, SSLContext context) {
        String[] credentials = given(who).split(":", 2);
        return HttpClient.newBuilder()
            .sslContext(context)
            .sslParameters(new SSLParameters(null, new String[] {given("TLS")}))
            .authenticator(new Authenticator() {
                @Override
                protected PasswordAuthentication getPasswordAuthentication() {
                    return new PasswordAuthentication(credentials[0], credentials[1].toCharArray());
                }
            }).build();
    }

    private static KeyManager[] keys() throws Exception {
        if (given("PKCS12") == null) {
            return null;
        }
        char[] password = given("PKCS12_PASSWORD").toCharArray();
        KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        factory.init(KeyStore.getInstance(new File(given("PKCS12")), password), password);
        return factory.getKeyManagers();
    }

    private static TrustManager[] trust() throws Exception {
        if (given("TRUSTSTORE") == null) {
            return null;
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(KeyStore.getInstance(new File(given("TRUSTSTORE")), given("TRUSTSTORE_PASSWORD").toCharArray()));
        return factory.getTrustManagers();
    }
}
