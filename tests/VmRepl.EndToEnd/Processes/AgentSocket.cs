using System.Diagnostics;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;

namespace VmRepl.EndToEnd.Processes;

/// <summary>Watches a running agent closely enough to hit the middle of a round; a command's start would take longer than the round.</summary>
internal sealed class AgentSocket(string path) : IDisposable
{
    private readonly HttpClient http = new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = new Uri("http://agent"),
    };

    /// <summary>Returns as soon as the group is in that phase.</summary>
    public void WaitForPhase(string group, string phase, TimeSpan limit)
    {
        var waited = Stopwatch.StartNew();
        string seen;
        while ((seen = Phase(group)) != phase)
        {
            if (waited.Elapsed > limit) throw new TimeoutException($"group {group} is {seen} and not {phase} after {limit.TotalSeconds} s");
            Thread.Sleep(2);
        }
    }

    public string Phase(string group) => Groups.Where(g => g.GetProperty("name").GetString() == group).Select(g => g.GetProperty("phase").GetString()!).FirstOrDefault("absent");

    /// <summary>The state of a group that the agent has.</summary>
    public JsonElement Group(string group) => Groups.Single(g => g.GetProperty("name").GetString() == group);

    private JsonElement.ArrayEnumerator Groups => http.GetFromJsonAsync<JsonElement>("/v1/status").GetAwaiter().GetResult().GetProperty("groups").EnumerateArray();

    public void Dispose() => http.Dispose();
}
