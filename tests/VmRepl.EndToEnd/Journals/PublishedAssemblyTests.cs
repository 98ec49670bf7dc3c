using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;

namespace VmRepl.EndToEnd.Journals;

/// <summary>The bugs that the simulation plants are in its own copy of the journal. What the agent is made of holds none: no type, member or text of theirs.</summary>
internal sealed class PublishedAssemblyTests
{
    // As in tests/VmRepl.Simulation/Plant.cs, read from there so that none is forgotten.
    private static string[] PlantNames => [.. File.ReadLines(Path.Combine(Root, "tests/VmRepl.Simulation/Plant.cs")).Where(l => l.Contains("const string", StringComparison.Ordinal)).Select(l => l.Split('"')[1])];

    private static string Root
    {
        get
        {
            var at = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(at.FullName, "VmRepl.sln"))) at = at.Parent!;
            return at.FullName;
        }
    }

    [Test]
    public void Assemblies_OfTheAgent_HoldNoPlantedBugs()
    {
        var directory = Directory.EnumerateFiles(Path.Combine(Root, "agent/bin"), "VmRepl.Journal.dll", SearchOption.AllDirectories).Select(Path.GetDirectoryName).Distinct().ToList();
        Assert.That(directory, Is.Not.Empty, "the agent is built");
        Assert.That(PlantNames, Has.Length.GreaterThan(7));
        foreach (var assembly in directory.SelectMany(d => Directory.EnumerateFiles(d!, "*.dll")).Where(f => Path.GetFileName(f).StartsWith("VmRepl.", StringComparison.Ordinal) || Path.GetFileName(f) == "vmrepl.dll"))
            Assert.That(PlantsIn(assembly), Is.Empty, assembly);
    }

    [Test]
    public void Assembly_OfTheSimulation_HoldsThem()
    {
        // Otherwise the test above could not fail.
        var simulation = Directory.EnumerateFiles(Path.Combine(Root, "tests/VmRepl.Simulation/bin"), "VmRepl.Simulation.dll", SearchOption.AllDirectories).First();
        Assert.That(PlantsIn(simulation), Is.SupersetOf(PlantNames.Append("Plant")));
    }

    private static List<string> PlantsIn(string assembly)
    {
        using var stream = File.OpenRead(assembly);
        using var file = new PEReader(stream);
        var metadata = file.GetMetadataReader();
        var texts = new HashSet<string>();
        foreach (var type in metadata.TypeDefinitions) texts.Add(metadata.GetString(metadata.GetTypeDefinition(type).Name));
        foreach (var type in metadata.TypeReferences) texts.Add(metadata.GetString(metadata.GetTypeReference(type).Name));
        foreach (var member in metadata.MemberReferences) texts.Add(metadata.GetString(metadata.GetMemberReference(member).Name));
        foreach (var field in metadata.FieldDefinitions) texts.Add(metadata.GetString(metadata.GetFieldDefinition(field).Name));
        for (var text = MetadataTokens.UserStringHandle(1); !text.IsNil; text = metadata.GetNextHandle(text)) texts.Add(metadata.GetUserString(text));
        // Constants that nobody loads stand in a heap of their own.
        foreach (var field in metadata.FieldDefinitions)
        {
            if (metadata.GetFieldDefinition(field).GetDefaultValue() is { IsNil: false } value && metadata.GetConstant(value) is { TypeCode: ConstantTypeCode.String } constant)
                texts.Add(metadata.GetBlobReader(constant.Value).ReadUTF16(metadata.GetBlobReader(constant.Value).Length));
        }

        return [.. texts.Where(t => t == "Plant" || PlantNames.Contains(t)).Order()];
    }
}
