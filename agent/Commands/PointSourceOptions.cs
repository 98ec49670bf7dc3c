using System.CommandLine;
using System.CommandLine.Parsing;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

/// <summary>Where points are read from: --store, or --from with its certificates, or else the agent.</summary>
internal sealed class PointSourceOptions
{
    private readonly Option<string?> store;
    private readonly Option<PeerAddress?> from = SharedOptions.Address("--from", "Ask the replica at this address.");
    private readonly Option<string> socket;
    private readonly CertificateOptions certificates;

    /// <param name="storeDescription">What <c>--store</c> does for the command.</param>
    public PointSourceOptions(Command command, CommandContext context, string storeDescription = "Read the store's directory itself: read-only, with no agent or replica running.")
    {
        store = SharedOptions.Path("--store", storeDescription, "DIR");
        socket = SharedOptions.Socket(context);
        command.Options.Add(store);
        command.Options.Add(from);
        command.Options.Add(socket);
        certificates = new CertificateOptions(command);
        command.Validators.Add(RequireOneSource);
    }

    public PointSource Get(ParseResult parse)
    {
        if (parse.GetValue(store) is { } directory) return new PointSource.Store(directory);
        if (parse.GetValue(from) is { } address) return new PointSource.Replica(address, certificates.Get(parse));
        return new PointSource.Agent(parse.GetValue(socket)!);
    }

    /// <summary>Whether it is a store's directory.</summary>
    public bool IsStore(CommandResult result) => result.GetResult(store) is not null;

    /// <summary>The options of these that are on the command line, by name.</summary>
    public IEnumerable<string> Given(CommandResult result) => new Option[] { store, from, socket }.Concat(certificates.All).Where(o => result.GetResult(o) is { Implicit: false }).Select(o => o.Name);

    private void RequireOneSource(CommandResult result)
    {
        var hasFrom = result.GetResult(from) is not null;
        if (hasFrom && result.GetResult(store) is not null) result.AddError("--store and --from exclude each other.");
        if (!hasFrom && certificates.AnyGiven(result)) result.AddError("--certificate, --key and --authority are for --from.");
    }
}
