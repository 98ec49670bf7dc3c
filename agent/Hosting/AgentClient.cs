using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using VmRepl.Agent.Hosting.Api;
using VmRepl.Agent.Output;
using VmRepl.Protocol.Connections;

namespace VmRepl.Agent.Hosting;

/// <summary>A command's side of the agent's admin API.</summary>
internal sealed class AgentClient(string socketPath) : IDisposable
{
    private readonly HttpClient http = new(new SocketsHttpHandler { ConnectCallback = async (_, cancellation) => new NetworkStream(await ConnectAsync(socketPath, cancellation), ownsSocket: true) })
    {
        BaseAddress = new Uri("http://agent"),
        Timeout = Timeout.InfiniteTimeSpan,
    };

    public Task<T> GetAsync<T>(string path, CancellationToken cancellation) => SendAsync<T>(HttpMethod.Get, path, null, cancellation);

    public Task<T> DeleteAsync<T>(string path, CancellationToken cancellation) => SendAsync<T>(HttpMethod.Delete, path, null, cancellation);

    public Task<T> PostAsync<T>(string path, object body, CancellationToken cancellation) => SendAsync<T>(HttpMethod.Post, path, body, cancellation);

    /// <summary>Asks for something that takes long and reports its progress.</summary>
    /// <returns>The last line of the answer.</returns>
    /// <exception cref="CommandFailure">The agent says why it failed, or went away.</exception>
    public async Task<AgentEvent> RunAsync(string path, object? body, Action<AgentEvent.ProgressEvent> progress, CancellationToken cancellation)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = body is null ? null : JsonContent.Create(body, body.GetType(), options: ApiJson.Options) };
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellation);
            await using var stream = await response.Content.ReadAsStreamAsync(cancellation);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            while (await reader.ReadLineAsync(cancellation) is { } line)
            {
                var said = JsonSerializer.Deserialize<AgentEvent>(line, ApiJson.Options) ?? throw new JsonException("an empty line");
                if (said.Error is { } error) throw Failure(error);
                if (said.Progress is null) return said;
                progress(said.Progress);
            }

            throw Gone(null);
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
        {
            throw Gone(e);
        }
    }

    /// <summary>A connection to the replica of a group, made by the agent with its certificates.</summary>
    public static async Task<ITransport> OpenReplicaAsync(string socketPath, string group, CancellationToken cancellation)
    {
        const int headBytesMax = 16 * 1024;
        var socket = await ConnectAsync(socketPath, cancellation);
        try
        {
            var request = $"GET /v1/groups/{Uri.EscapeDataString(group)}/replica HTTP/1.1\r\nHost: agent\r\nConnection: Upgrade\r\nUpgrade: {AgentApi.UpgradeName}\r\n\r\n";
            await socket.SendAsync(Encoding.ASCII.GetBytes(request), cancellation);
            // One byte at a time: what follows the head belongs to the other protocol.
            var head = new StringBuilder();
            var single = new byte[1];
            while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
            {
                if (head.Length > headBytesMax || await socket.ReceiveAsync(single, cancellation) == 0) throw Gone(null);
                head.Append((char)single[0]);
            }

            if (head.ToString().StartsWith("HTTP/1.1 101", StringComparison.Ordinal)) return new SocketTransport(socket, $"the replica of {group}");
            throw Failure(await ReadErrorAsync(socket, cancellation), group);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public void Dispose() => http.Dispose();

    private static async Task<AgentEvent.ErrorEvent> ReadErrorAsync(Socket socket, CancellationToken cancellation)
    {
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        waiting.CancelAfter(TimeSpan.FromSeconds(2));
        var body = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (await socket.ReceiveAsync(buffer, waiting.Token) is > 0 and var count)
            {
                body.Append(Encoding.UTF8.GetString(buffer, 0, count));
                var text = body.ToString();
                var (start, end) = (text.IndexOf('{', StringComparison.Ordinal), text.LastIndexOf('}'));
                if (start < 0 || end <= start) continue;
                try
                {
                    if (JsonSerializer.Deserialize<AgentEvent>(text[start..(end + 1)], ApiJson.Options)?.Error is { } error) return error;
                }
                catch (JsonException)
                {
                    // Not all of it is there yet.
                }
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // It said nothing more.
        }

        return new AgentEvent.ErrorEvent("the agent could not connect to the replica", null, null, false);
    }

    private async Task<T> SendAsync<T>(HttpMethod method, string path, object? body, CancellationToken cancellation)
    {
        try
        {
            using var request = new HttpRequestMessage(method, path) { Content = body is null ? null : JsonContent.Create(body, body.GetType(), options: ApiJson.Options) };
            using var response = await http.SendAsync(request, cancellation);
            if (response.IsSuccessStatusCode) return await response.Content.ReadFromJsonAsync<T>(ApiJson.Options, cancellation) ?? throw new JsonException("an empty answer");
            throw Failure((await response.Content.ReadFromJsonAsync<AgentEvent>(ApiJson.Options, cancellation))?.Error ?? new AgentEvent.ErrorEvent($"the agent answered {(int)response.StatusCode}", null, null, false));
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException)
        {
            throw Gone(e);
        }
    }

    private static async Task<Socket> ConnectAsync(string path, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            return socket;
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new CommandFailure($"No agent answers on {path}: {e.Message}.", "Start it with vmrepl agent --state DIR, or name its socket with --socket or VMREPL_SOCKET.", cause: e);
        }
    }

    private static CommandFailure Gone(Exception? cause)
    {
        // The connect callback's own failure is the one to tell.
        for (var inner = cause; inner is not null; inner = inner.InnerException)
        {
            if (inner is CommandFailure failure) return failure;
        }

        return new CommandFailure("The agent went away before it had answered.", "Look at its log; a round that was open goes on when it starts again.", cause: cause);
    }

    private static CommandFailure Failure(AgentEvent.ErrorEvent error, string? group = null) =>
        new(FailureReading.Sentence(error.Message), error.Hint is { Length: > 0 } hint ? hint : null, error.Group ?? group, error.IsRefusal ? ExitCode.Refused : ExitCode.Failed);
}
