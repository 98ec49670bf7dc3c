using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using VmRepl.Agent.Hosting.Api;
using VmRepl.Agent.Hosting.Nbd;
using VmRepl.Agent.Output.Reports;
using VmRepl.Clones;
using VmRepl.Clones.Made;
using VmRepl.Images;
using VmRepl.Protocol.Connections;
using VmRepl.Protocol.Names;
using VmRepl.Replication;
using VmRepl.Replication.Source;
using VmRepl.Replication.Source.Following;

namespace VmRepl.Agent.Hosting;

/// <summary>
/// The agent's admin API (docs/admin-api.md). Whoever may open the socket may use it. Requests that take long are answered with one JSON object a line, progress first;
/// what they started goes on when the client goes away.
/// </summary>
internal sealed class AgentApi(SourceAgent agent, ServedDisks served, DropWatch? drops, MadeClones made, CancellationToken stopping)
{
    /// <summary>What the connection becomes when a client asks for the replica itself: the replication protocol, byte for byte.</summary>
    public const string UpgradeName = "vmrepl";

    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(250);

    public void Map(WebApplication application)
    {
        application.MapGet("/v1/status", StatusAsync);
        application.MapPost("/v1/groups", ProtectAsync);
        application.MapDelete("/v1/groups/{group}", UnprotectAsync);
        application.MapPost("/v1/groups/{group}/sync", SyncAsync);
        application.MapGet("/v1/clones", ClonesAsync);
        application.MapPost("/v1/groups/{group}/clones", CloneAsync);
        application.MapGet("/v1/groups/{group}/serve", ServeAsync);
        application.MapGet("/v1/groups/{group}/why", WhyAsync);
        application.MapPost("/v1/groups/{group}/bookmarks", BookmarkAsync);
        application.MapGet("/v1/groups/{group}/replica", TunnelAsync);
    }

    private Task StatusAsync(HttpContext context) => AnswerAsync(context, async () =>
        new StatusReport(await Task.WhenAll(agent.Status.Select(async s => AgentReports.Status(s, await ScrubStates.FindAsync(agent, s.Definition.Name, context.RequestAborted), s.Following is null ? [] : agent.Decisions(s.Definition.Name), DateTimeOffset.UtcNow)))));

    private Task ClonesAsync(HttpContext context) => AnswerAsync(context, () => Task.FromResult(CloneReports.Of(drops?.Files ?? [], made)));

    private Task UnprotectAsync(HttpContext context, string group) => AnswerAsync(context, async () =>
    {
        await agent.UnprotectAsync(group);
        return new UnprotectReport(group, "The replica keeps the group's live images and recovery points; restore-vm --store or --from still reads them.");
    });

    private Task ServeAsync(HttpContext context, string group) => AnswerAsync(context, () =>
    {
        var disks = agent.StatusOf(group).Definition.Disks;
        // Asked for, so that one that cannot be served is refused here and not at the guest.
        foreach (var disk in disks) agent.Device(group, disk.Name).Dispose();
        return Task.FromResult(new ServeReport(group, [.. disks.Select(d => new ExportReport(d.Name, served.Uri(group, d.Name)))]));
    });

    private Task WhyAsync(HttpContext context, string group) => AnswerAsync(context, () =>
        Task.FromResult(new WhyReport(group, [.. agent.Decisions(group).Select(d => new DecisionReport(AgentReports.Time(d.TimeUs), d.Decision, d.Cause, d.MarkedBytes, d.BroughtOverBytes, d.Times))])));

    private Task BookmarkAsync(HttpContext context, string group) => AnswerAsync(context, async () =>
    {
        var body = await ReadAsync<BookmarkBody>(context);
        if (!NameRule.IsValidBookmark(body.Name)) throw new ReplicationException(group, $"\"{body.Name}\" is no valid bookmark: {NameRule.BookmarkText}", "", isRefusal: true);
        var point = await agent.BookmarkAsync(group, body.Name);
        return new BookmarkReport(group, new RecoveryPointReport(point.Sequence, point.Time, point.Bookmark));
    });

    private static async Task AnswerAsync<T>(HttpContext context, Func<Task<T>> work)
    {
        try
        {
            var answer = await work();
            await context.Response.WriteAsJsonAsync(answer, ApiJson.Options);
        }
        catch (Exception e) when (e is ReplicationException or JsonException or IOException)
        {
            context.Response.StatusCode = StatusCodes.Status409Conflict;
            await context.Response.WriteAsJsonAsync(new AgentEvent { Error = Describe(e) }, ApiJson.Options);
        }
    }

    private Task ProtectAsync(HttpContext context) => StreamAsync(context, async () =>
    {
        var body = await ReadAsync<ProtectBody>(context);
        if (body.Seeds is { } seeds && seeds.DistinctBy(s => s.Name).Count() != seeds.Count) throw new ReplicationException(body.Group, $"group {body.Group}: two seeds are given for one disk", "", isRefusal: true);
        var disks = body.Disks.Select(d => (d.Name, d.File, Format(d.Format))).ToList();
        ImageFormat? Format(string? name) => name is null ? null : ImageFormatNames.TryParse(name, out var format) ? format : throw new ReplicationException(body.Group, $"\"{name}\" is no image format", "", isRefusal: true);
        var (definition, baseline) = agent.Protect(new ProtectRequest(body.Group, disks, body.Host, body.Port, body.DefinitionFile, body.Allow, body.Metadata)
        {
            Seeds = (body.Seeds ?? []).ToDictionary(s => s.Name, s => new SourceSeed(s.File, Format(s.Format))),
            Capture = Word(body.Capture ?? "snapshot", ("snapshot", CaptureMode.Snapshot), ("served", CaptureMode.Served)),
            Acknowledgement = Word(body.Acknowledgement ?? "async", ("async", AcknowledgementMode.Async), ("semi-sync", AcknowledgementMode.SemiSync), ("sync", AcknowledgementMode.Sync)),
            OnLoss = Word(body.OnLoss ?? "continue", ("continue", LossRule.Continue), ("stop", LossRule.Stop)),
        });
        T Word<T>(string word, params (string Name, T Value)[] known)
            where T : struct => known.Where(k => k.Name == word).Select(k => (T?)k.Value).FirstOrDefault()
            ?? throw new ReplicationException(body.Group, $"\"{word}\" is none of {string.Join(", ", known.Select(k => k.Name))}", "", isRefusal: true);
        if (body.NoWait)
        {
            Forget(baseline);
            return (body.Group, Task.FromResult(new AgentEvent { Protected = AgentReports.Protect(definition, [], "baseline", null) }));
        }

        return (body.Group, FinishAsync());
        async Task<AgentEvent> FinishAsync()
        {
            var round = await baseline;
            return new() { Protected = AgentReports.Protect(definition, agent.StatusOf(body.Group).Seeds, definition.Capture == CaptureMode.Served ? "in-sync" : "idle", round) };
        }
    });

    private Task SyncAsync(HttpContext context, string group) => StreamAsync(context, () =>
    {
        var round = agent.SyncAsync(group);
        return Task.FromResult((group, FinishAsync()));
        async Task<AgentEvent> FinishAsync() => new() { Synced = AgentReports.Sync(group, await round) };
    });

    private Task CloneAsync(HttpContext context, string group) => StreamAsync(context, async () =>
    {
        var body = await ReadAsync<CloneBody>(context);
        return (group, FinishAsync());
        async Task<AgentEvent> FinishAsync() => new() { Cloned = CloneReports.Made(await made.MakeAsync(group, body.Name), made) };
    });

    /// <summary>Writes progress until the work ends, then how it ended.</summary>
    private async Task StreamAsync(HttpContext context, Func<Task<(string Group, Task<AgentEvent> Work)>> start)
    {
        context.Response.ContentType = "application/x-ndjson";
        AgentEvent last;
        try
        {
            var (group, work) = await start();
            Forget(work);
            (long, string?) shown = (-1, null);
            while (await Task.WhenAny(work, Task.Delay(ProgressInterval, stopping)) != work && !stopping.IsCancellationRequested)
            {
                // A group whose baseline is refused is gone before the work says why.
                if (agent.FindStatus(group) is not { } status) break;
                if ((status.DoneBytes, status.Waiting) == shown) continue;
                shown = (status.DoneBytes, status.Waiting);
                await WriteAsync(new AgentEvent { Progress = new AgentEvent.ProgressEvent(status.TotalBytes, status.DoneBytes, status.Waiting) });
            }

            last = await work;
        }
        catch (Exception e) when (e is ReplicationException or JsonException or OperationCanceledException)
        {
            last = new AgentEvent { Error = Describe(e) };
        }

        await WriteAsync(last);

        async Task WriteAsync(AgentEvent line)
        {
            await JsonSerializer.SerializeAsync(context.Response.Body, line, ApiJson.Options, context.RequestAborted);
            await context.Response.Body.WriteAsync("\n"u8.ToArray(), context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    /// <summary>Connects the client to the group's replica with the agent's own certificates; the bytes are passed on as they are.</summary>
    private async Task TunnelAsync(HttpContext context, string group)
    {
        if (context.Features.Get<IHttpUpgradeFeature>() is not { IsUpgradableRequest: true } upgrade)
        {
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            return;
        }

        ITransport replica;
        try
        {
            replica = await agent.ConnectorOf(group).ConnectTransportAsync(context.RequestAborted);
        }
        catch (Exception e) when (e is ReplicationException or IOException or Protocol.Security.PeerAuthenticationException)
        {
            context.Response.StatusCode = StatusCodes.Status409Conflict;
            await context.Response.WriteAsJsonAsync(new AgentEvent { Error = Describe(e, group) }, ApiJson.Options);
            return;
        }

        await using (replica)
        {
            context.Response.Headers.Upgrade = UpgradeName;
            await using var client = await upgrade.UpgradeAsync();
            await Task.WhenAny(ToReplicaAsync(), ToClientAsync());

            async Task ToReplicaAsync()
            {
                var buffer = new byte[256 * 1024];
                while (await client.ReadAsync(buffer, stopping) is > 0 and var count) await replica.SendAsync(buffer.AsMemory(0, count), stopping);
            }

            async Task ToClientAsync()
            {
                var buffer = new byte[256 * 1024];
                while (await replica.ReceiveAsync(buffer, stopping) is > 0 and var count)
                {
                    await client.WriteAsync(buffer.AsMemory(0, count), stopping);
                    await client.FlushAsync(stopping);
                }
            }
        }
    }

    private static async Task<T> ReadAsync<T>(HttpContext context) =>
        await JsonSerializer.DeserializeAsync<T>(context.Request.Body, ApiJson.Options, context.RequestAborted) ?? throw new JsonException("the body is empty");

    /// <summary>Its failure is logged and kept in the group's status, and is told to whoever still listens.</summary>
    private static void Forget(Task task) => task.ContinueWith(static t => t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);

    private static AgentEvent.ErrorEvent Describe(Exception e, string? group = null) => e switch
    {
        ReplicationException r => new AgentEvent.ErrorEvent(r.Message, r.Hint, r.Group, r.IsRefusal),
        OperationCanceledException => new AgentEvent.ErrorEvent("the agent is stopping", "A round that was open goes on when it starts again.", group, false),
        JsonException => new AgentEvent.ErrorEvent($"the request does not parse: {e.Message}", null, group, false),
        Protocol.Security.PeerAuthenticationException p => new AgentEvent.ErrorEvent(group is null ? p.Message : $"group {group}: {p.Message}", p.Hint, group, true),
        ConnectionLostException c => new AgentEvent.ErrorEvent(group is null ? c.Message : $"group {group}: {c.Message}", Output.FailureReading.NotReached, group, false),
        _ => new AgentEvent.ErrorEvent(group is null ? e.Message : $"group {group}: {e.Message}", null, group, false),
    };
}
